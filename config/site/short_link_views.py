"""Views of short links."""

from typing import Any, ClassVar

from django.core.validators import URLValidator
from django.http import HttpResponse, HttpResponseRedirect
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.tokens import Token

from config.api import proofs, reading
from config.api.fields import StrictStringField
from config.api.permissions import Anyone, HasScope
from config.api.schema import operation
from config.api.views import OperationViews
from config.errors import Code
from config.models import Scope, ShortLink
from config.platform.web_addresses import NotAWebAddress, is_own_short_link, web_address
from config.site import short_links


class UserOrLinksKey(HasScope):
    """The permission for users with a token and for keys with the scope links:write."""

    takes_users = True
    scope = Scope.LINKS_WRITE
    operator_permissions = ("config.add_shortlink",)

    def has_permission(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, Token):
            if getattr(request.user, "is_blocked", True):
                raise PermissionDenied("账号已被封，不能进行此操作，请联系客服", code="stated")
            return True
        return bool(super().has_permission(request, view))


class LongUrl(serializers.Serializer[Any]):
    url = StrictStringField(max_length=2048, validators=[URLValidator(schemes=["http", "https"])])

    def validate_url(self, url: str) -> str:
        try:
            address = web_address(url)
        except NotAWebAddress as error:
            raise serializers.ValidationError(str(error)) from error
        if is_own_short_link(address):
            raise serializers.ValidationError("已经是本站的短链，不能再缩短")
        return address


class LinkViews(OperationViews[ShortLink]):
    """The operation that shortens an address."""

    permission_classes = (UserOrLinksKey,)
    limits: ClassVar = {"create": ("links_day",)}

    @operation("长链转短链", body=LongUrl, answer=serializers.CharField())
    def create(self, request: Request) -> Response:
        return Response(short_links.shorten(reading.body(request, LongUrl)["url"]))


class FollowViews(OperationViews[ShortLink]):
    """The operation that redirects to the address of a short link."""

    authentication_classes = ()
    permission_classes = (Anyone,)

    @operation(
        "短链跳转",
        codes=[Code.NOT_FOUND],
        description="302 跳转到原地址，点击数在后台累计。带密钥的链接会清除浏览器里的微信身份，客户端随即重新微信授权。",
        media_type="text/html",
    )
    def show(self, request: Request, slug: str) -> HttpResponse:
        url, is_secret = short_links.follow(slug)
        response = HttpResponseRedirect(url)
        if is_secret:  # another person may have used this browser before, and must not act with the key
            proofs.delete_proof(response)
        return response
