"""Views of the service status, the marquee and visits."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from config.api import output, proofs, reading
from config.api.actors import actor
from config.api.fields import StrictIntegerField, StrictStringField
from config.api.permissions import Anyone, HasScope, needs
from config.api.schema import operation
from config.api.views import OperationViews, Row
from config.models import Marquee, PageVisit, Scope, SiteStatus
from config.site import status as site_status
from config.site import visits


class Status(serializers.Serializer[Any]):
    status = StrictIntegerField(min_value=1, max_value=2)
    upGradeEndTime = serializers.CharField(source="upgrade_end")  # noqa: N815 - the name in the API


class NewStatus(serializers.Serializer[Any]):
    status = StrictIntegerField(min_value=1, max_value=2)
    upGradeEndTime = StrictStringField(  # noqa: N815
        source="upgrade_end", max_length=100, allow_blank=True, allow_null=True, required=False, default=""
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs["upgrade_end"] = attrs["upgrade_end"] or ""
        if attrs["status"] == SiteStatus.Status.MAINTENANCE and not attrs["upgrade_end"]:
            raise serializers.ValidationError({"upGradeEndTime": "维护时必须说明何时结束"})
        return attrs


class MarqueeLine(serializers.Serializer[Any]):
    status = StrictIntegerField(source="is_shown", min_value=0, max_value=1)
    content = StrictStringField(max_length=500, allow_blank=True)


class _ReadByAnyone(OperationViews[Row]):
    """A viewset whose reads need no authentication, so that an expired token does not prevent them."""

    writers: type[HasScope]

    def get_authenticators(self) -> list[Any]:
        is_read = self.request is not None and self.request.method in SAFE_METHODS
        return [] if is_read else super().get_authenticators()

    def get_permissions(self) -> list[Any]:
        return [Anyone() if self.action == "show" else self.writers()]


class StatusViews(_ReadByAnyone[SiteStatus]):
    """The service status: read by anyone, set by keys and operators."""

    writers = needs(Scope.STATUS_WRITE, "config.add_sitestatus")

    @operation(
        "校验当前服务状态",
        answer=Status,
        description="客户端打开每一页时最先调用；有 union_id cookie 而没有有效授权证明时清除该 cookie，客户端随即重新微信授权。",
    )
    def show(self, request: Request) -> Response:
        response = Response(output.written_object(Status, site_status.status()))
        if settings.ENFORCE_AUTH and proofs.has_client_identity(request) and proofs.read(request) is None:
            proofs.send_back_to_wechat(request, response)
        return response

    @operation("设置当前服务状态", body=NewStatus, answer=Status)
    def create(self, request: Request) -> Response:
        given = reading.body(request, NewStatus)
        site_status.set_status(**given, by=actor(request), at=timezone.now())
        return Response(Status(given).data)


class MarqueeViews(_ReadByAnyone[Marquee]):
    """The marquee: read by anyone, set by keys and operators."""

    writers = needs(Scope.MARQUEE_WRITE, "config.add_marquee")

    @operation("首页跑马灯状态和内容", answer=MarqueeLine)
    def show(self, request: Request) -> Response:
        line = site_status.marquee()
        return Response({"status": int(line["is_shown"]), "content": line["content"]})

    @operation("设置首页跑马灯内容和状态", body=MarqueeLine, answer=serializers.CharField())
    def create(self, request: Request) -> Response:
        given = reading.body(request, MarqueeLine)
        site_status.set_marquee(
            is_shown=bool(given["is_shown"]), content=given["content"], by=actor(request), at=timezone.now()
        )
        return Response("SUCCESS")


class VisitViews(OperationViews[PageVisit]):
    """The operation that counts a visit of the client."""

    authentication_classes = ()
    permission_classes = (Anyone,)

    @operation("页面访问统计")
    def create(self, request: Request) -> Response:
        visits.count_visit(at=timezone.now())
        return Response(None)
