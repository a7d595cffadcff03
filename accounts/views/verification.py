"""Views of phone verification and identity cards."""

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import identity, verification
from accounts.authentication import signed_in
from accounts.models import User
from accounts.serializers import (
    IdentityCard,
    Phone,
    PhoneProof,
)
from accounts.throttles import count_sms
from config.api import reading
from config.api.permissions import IsNotBlocked, IsUser
from config.api.schema import operation
from config.api.throttles import Throttle
from config.api.views import OperationViews
from config.errors import Code
from config.platform.dates import day_of


class SmsCodeViews(OperationViews[User]):
    """Sending of verification codes by SMS."""

    permission_classes = (IsUser, IsNotBlocked)
    writing_reads = ("send",)

    @operation("发送短信验证码", query=Phone, codes=[Code.OUTSIDE_FAILED, Code.SMS_TOO_OFTEN])
    def send(self, request: Request) -> Response:
        user, phone = signed_in(request), reading.query(request, Phone)["phone"]
        count_sms(user, phone)
        verification.send_code(user=user, phone=phone, at=timezone.now())
        return Response(None)


class PhoneViews(OperationViews[User]):
    """Verification of the user's own phone."""

    permission_classes = (IsUser, IsNotBlocked)
    throttle_classes = (Throttle,)
    throttle_scope = "phone"

    @operation(
        "补全手机号",
        body=PhoneProof,
        codes=[Code.SMS_CODE_WRONG, Code.SMS_CODE_EXPIRED, Code.PHONE_TAKEN],
    )
    def update(self, request: Request) -> Response:
        body = reading.body(request, PhoneProof)
        verification.prove_phone(user=signed_in(request), at=timezone.now(), **body)
        return Response(None)


class IdentityViews(OperationViews[User]):
    """The user's own identity card."""

    permission_classes = (IsUser, IsNotBlocked)
    throttle_classes = (Throttle,)
    throttle_scope = "phone"

    @operation("补全身份证信息", body=IdentityCard, description="加密保存，运营人员只能看到掩码。")
    def update(self, request: Request) -> Response:
        body, now = reading.body(request, IdentityCard), timezone.now()
        identity.save_card(user=signed_in(request), at=now, today=day_of(now), **body)
        return Response(None)
