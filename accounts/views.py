"""WeChat sign-in, tokens, phones and blocking."""

import hashlib
from typing import Any, ClassVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import blocking, identity, posters, profiles, verification, wechat_proof
from accounts.authentication import issue_token, signed_in
from accounts.models import User
from accounts.serializers import (
    AccessToken,
    IdentityCard,
    Me,
    Phone,
    PhoneProof,
    PosterKind,
    Refreshed,
    SignedPage,
    TicketPage,
    UnionId,
    WeChatCallback,
    WeChatUserInfo,
)
from accounts.throttles import ProofThrottle, count_sms
from accounts.wechat_sign_in import page_signature, profile_of
from config.api import proofs, reading
from config.api.actors import actor
from config.api.authentication import PROOF_AUTHENTICATION
from config.api.fields import Blank
from config.api.permissions import Anyone, IsNotBlocked, IsUser, needs
from config.api.renderer import Answer, TokenRenderer
from config.api.schema import operation
from config.api.throttles import Throttle
from config.api.views import OperationViews
from config.errors import Code, NotAllowed, NotFound
from config.models import Scope
from config.platform.dates import day_of


class UnknownWeChatAccount(NotAllowed):
    message = "该微信账号还没有注册，请先添加机器人并补全资料"


class WeChatViews(OperationViews[User]):
    """Public: the identity that WeChat vouches for."""

    authentication_classes = ()
    permission_classes = (Anyone,)
    throttle_classes = (Throttle,)
    throttle_scope = "wechat"

    @operation(
        "微信授权",
        query=WeChatCallback,
        answer=WeChatUserInfo,
        codes=[Code.WECHAT_REFUSED, Code.OUTSIDE_FAILED],
        description="以微信回调的 code 换取用户信息，并在 cookie 里留下九十天有效的授权证明。",
    )
    def user_info(self, request: Request) -> Response:
        given = reading.query(request, WeChatCallback)
        profile = profile_of(given["app_id"], given["code"])
        response = Response(WeChatUserInfo(profile).data)
        if request.headers.get("Sec-Fetch-Mode") != "navigate":  # a page asked, not a link that somebody else made
            proofs.issue(
                response,
                union_id=profile.unionid,
                open_id=profile.openid,
                app_id=given["app_id"],
                at=timezone.now(),
            )
        return response


class JsTicketViews(OperationViews[User]):
    """Public: what a page needs for WeChat's JS-SDK, several times on each page."""

    authentication_classes = ()
    permission_classes = (Anyone,)
    throttle_classes = (Throttle,)
    throttle_scope = "js_ticket"

    @operation(
        "微信获取分享ticket",
        query=TicketPage,
        answer=SignedPage,
        codes=[Code.WECHAT_REFUSED, Code.OUTSIDE_FAILED],
    )
    def show(self, request: Request) -> Response:
        given = reading.query(request, TicketPage)
        signed = page_signature(given["app_id"], given["url"], at=int(timezone.now().timestamp()))
        return Response({"appid": given["app_id"], "app_id": given["app_id"], **signed})


class TokenViews(OperationViews[User]):
    """An access token for whom WeChat vouched."""

    proof_needed = True
    authentication_classes = PROOF_AUTHENTICATION
    permission_classes = (Anyone,)
    renderer_classes = (TokenRenderer,)
    throttle_classes = (ProofThrottle,)

    @operation(
        "获取 token",
        body=UnionId,
        answer=AccessToken,
        codes=[Code.UNAUTHENTICATED],
        description="授权证明随每次登录续期九十天；证明失效时清除客户端的 union_id cookie，客户端随即重新微信授权。",
    )
    def create(self, request: Request) -> Response:
        union_id, now = reading.body(request, UnionId)["union_id"], timezone.now()
        proof = wechat_proof.require_proof(request, union_id)
        user = User.objects.of_wechat_account(union_id).first()
        if user is None:
            raise UnknownWeChatAccount
        response = Response({"access_token": issue_token(user, at=now)})
        if proof is not None:
            proofs.issue(response, union_id=union_id, open_id=proof.open_id, app_id=proof.app_id, at=now)
        return response

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Remove the identity cookie of a refused client, which would go on asking with it for ever."""
        response = super().finalize_response(request, response, *args, **kwargs)
        answer = getattr(response, "data", None)
        if isinstance(answer, Answer) and answer.code == Code.UNAUTHENTICATED:
            proofs.send_back_to_wechat(request, response)
        return response


class MeViews(OperationViews[User]):
    """Whose token this is."""

    permission_classes = (IsUser,)
    renderer_classes = (TokenRenderer,)

    @operation("当前 token 的用户", answer=Me)
    def show(self, request: Request) -> Response:
        return Response({"me": {"user_id": str(signed_in(request).pk)}})


class SmsCodeViews(OperationViews[User]):
    """A code by SMS."""

    permission_classes = (IsUser, IsNotBlocked)
    writing_reads = ("send",)

    @operation("发送短信验证码", query=Phone, codes=[Code.OUTSIDE_FAILED, Code.SMS_TOO_OFTEN])
    def send(self, request: Request) -> Response:
        user, phone = signed_in(request), reading.query(request, Phone)["phone"]
        count_sms(user, phone)
        verification.send_code(user=user, phone=phone, at=timezone.now())
        return Response(None)


class PhoneViews(OperationViews[User]):
    """The user's own phone."""

    permission_classes = (IsUser, IsNotBlocked)
    throttle_classes = (Throttle,)
    throttle_scope = "phone"

    @operation(
        "补全手机号",
        body=PhoneProof,
        codes=[Code.SMS_CODE_WRONG, Code.SMS_CODE_EXPIRED, Code.PHONE_TAKEN],
    )
    def update(self, request: Request) -> Response:
        given = reading.body(request, PhoneProof)
        verification.prove_phone(user=signed_in(request), at=timezone.now(), **given)
        return Response(None)


class IdentityViews(OperationViews[User]):
    """The user's own identity card."""

    permission_classes = (IsUser, IsNotBlocked)
    throttle_classes = (Throttle,)
    throttle_scope = "phone"

    @operation("补全身份证信息", body=IdentityCard, description="加密保存,运营人员只能看到掩码。")
    def update(self, request: Request) -> Response:
        given, now = reading.body(request, IdentityCard), timezone.now()
        identity.give(user=signed_in(request), at=now, today=day_of(now), **given)
        return Response(None)


class OwnViews(OperationViews[User]):
    """What the user is to us."""

    permission_classes = (IsUser,)

    @operation("获取用户user_id", answer=serializers.UUIDField())
    def user_id(self, request: Request) -> Response:
        return Response(str(signed_in(request).pk))

    @operation("用户是否封号", answer=serializers.BooleanField())
    def is_blocked(self, request: Request) -> Response:
        return Response(signed_in(request).is_blocked)


class RefreshViews(OperationViews[User]):
    """What WeChat shows of the user by now."""

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
        given = reading.body(request, Refreshed)
        proof = wechat_proof.require_proof(request, union_id)
        profiles.refresh_profile(
            user=user,
            open_id=proof.open_id if proof else given["open_id"],
            app_id=proof.app_id if proof else given["appid"],
            nickname=given["nick_name"],
            avatar_url=given["head_url"],
        )
        return Response(None)


class PosterViews(OperationViews[User]):
    """Public: clients show a poster in an <img>, which sends no token and reads no JSON."""

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
        kind, owner = reading.query(request, PosterKind)["type"], posters.owner_of(user_id)
        if owner is None:
            headers = {"Cache-Control": "no-cache"}
            return HttpResponse(posters.placeholder(), status=404, content_type="image/png", headers=headers)
        return _cacheable(request, posters.poster_of(owner, kind))


def _cacheable(request: Request, png: bytes) -> HttpResponseBase:
    """Return a picture that everybody on the way may keep; 304 when the caller has it already."""
    etag = quote_etag(hashlib.sha256(png).hexdigest()[:32])
    headers = {"Cache-Control": f"public, max-age={posters.KEEP_SECONDS}", "ETag": etag}
    response = HttpResponse(png, content_type="image/png", headers=headers)
    return get_conditional_response(request, etag, None, response) or response


class RegisteredViews(OperationViews[User]):
    """Public: whether a WeChat account has completed its profile."""

    authentication_classes = ()
    permission_classes = (Anyone,)
    throttle_classes = (Throttle,)
    throttle_scope = "registered"

    @operation("用户是否注册", answer=serializers.BooleanField())
    def show(self, request: Request, union_id: str) -> Response:
        return Response(User.objects.filter(union_id=union_id, completed_at__isnull=False, is_staff=False).exists())


class BlockViews(OperationViews[User]):
    """Outside systems and operators block users."""

    permission_classes = (needs(Scope.USERS_BLOCK, "accounts.block_user"),)

    @operation(
        "用户封号",
        answer=Blank(),
        codes=[Code.NOT_FOUND],
        description="可重复调用;未打款的提现一并拒绝并退回余额。",
    )
    def update(self, request: Request, reference: str) -> Response:
        user = get_object_or_404(User.objects.by_reference(reference))
        blocking.block(user=user, by=actor(request), reason="外部系统封号", at=timezone.now())
        return Response("")
