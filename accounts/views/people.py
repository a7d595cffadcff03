"""Views of the user's own data, posters, and the queries and blocks of outside systems."""

import hashlib
from typing import ClassVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import blocking, posters, profiles, wechat_proof
from accounts.authentication import signed_in
from accounts.models import User
from accounts.serializers import (
    PosterKind,
    Refreshed,
)
from accounts.throttles import ProofThrottle
from config.api import reading
from config.api.actors import actor
from config.api.fields import EmptyStringField
from config.api.permissions import Anyone, IsNotBlocked, IsUser, needs
from config.api.schema import operation
from config.api.throttles import Throttle
from config.api.views import OperationViews
from config.errors import Code, NotFound
from config.models import Scope


class OwnViews(OperationViews[User]):
    """The id and the block state of the signed-in user."""

    permission_classes = (IsUser,)

    @operation("获取用户user_id", answer=serializers.UUIDField())
    def user_id(self, request: Request) -> Response:
        return Response(str(signed_in(request).pk))

    @operation("用户是否封号", answer=serializers.BooleanField())
    def is_blocked(self, request: Request) -> Response:
        return Response(signed_in(request).is_blocked)


class RefreshViews(OperationViews[User]):
    """Refresh of the user's nickname, picture and WeChat account."""

    permission_classes = (IsUser, IsNotBlocked)
    throttle_classes = (ProofThrottle,)
    proof_needed = True

    @operation(
        "刷新微信资料",
        body=Refreshed,
        codes=[Code.NOT_FOUND],
        description="只能刷新自己的 union_id，且需要微信授权证明；open_id 与 appid 以证明为准，空白的昵称和头像不覆盖原有的。",
    )
    def update(self, request: Request, union_id: str) -> Response:
        user = signed_in(request)
        if user.union_id != union_id:
            raise NotFound
        body = reading.body(request, Refreshed)
        proof = wechat_proof.require_proof(request, union_id)
        profiles.refresh_profile(
            user=user,
            open_id=proof.open_id if proof else body["open_id"],
            app_id=proof.app_id if proof else body["appid"],
            nickname=body["nick_name"],
            avatar_url=body["head_url"],
        )
        return Response(None)


class PosterViews(OperationViews[User]):
    """Posters. Public, because clients show a poster in an <img>, which sends no token and reads no JSON."""

    authentication_classes = ()
    permission_classes = (Anyone,)
    throttle_classes = (Throttle,)
    throttle_scope = "poster"
    own_statuses: ClassVar = {"404": Code.NOT_FOUND}

    @operation(
        "邀请海报",
        query=PosterKind,
        description="PNG 图片，带有该用户邀请链接的二维码，无需 token，可缓存一天。user_id 只接受 id；"
        "没有该用户或其资料尚未补全时为 HTTP 404，内容是一张灰色占位图。",
        media_type="image/png",
    )
    def show(self, request: Request, user_id: str) -> HttpResponseBase:
        kind, owner = reading.query(request, PosterKind)["type"], posters.poster_owner(user_id)
        if owner is None:
            headers = {"Cache-Control": "no-cache"}
            return HttpResponse(posters.placeholder(), status=404, content_type="image/png", headers=headers)
        return _cacheable(request, posters.poster_of(owner, kind))


def _cacheable(request: Request, png: bytes) -> HttpResponseBase:
    """Return a picture that browsers and proxies may cache, or 304 when the caller's copy is current."""
    etag = quote_etag(hashlib.sha256(png).hexdigest()[:32])
    headers = {"Cache-Control": f"public, max-age={posters.KEEP_SECONDS}", "ETag": etag}
    response = HttpResponse(png, content_type="image/png", headers=headers)
    return get_conditional_response(request, etag, None, response) or response


class RegisteredViews(OperationViews[User]):
    """Public query for a completed profile of a WeChat account."""

    authentication_classes = ()
    permission_classes = (Anyone,)
    throttle_classes = (Throttle,)
    throttle_scope = "registered"

    @operation("用户是否注册", answer=serializers.BooleanField())
    def show(self, request: Request, union_id: str) -> Response:
        return Response(User.objects.filter(union_id=union_id, completed_at__isnull=False, is_staff=False).exists())


class BlockViews(OperationViews[User]):
    """Blocking of users by outside systems and operators."""

    permission_classes = (needs(Scope.USERS_BLOCK, "accounts.block_user"),)

    @operation(
        "用户封号",
        answer=EmptyStringField(),
        codes=[Code.NOT_FOUND],
        description="可重复调用；未打款的提现一并拒绝并退回余额。",
    )
    def update(self, request: Request, reference: str) -> Response:
        user = get_object_or_404(User.objects.by_reference(reference))
        blocking.block(user=user, by=actor(request), reason="外部系统封号", at=timezone.now())
        return Response("")
