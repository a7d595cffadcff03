"""Views of the WeChat sign-in, access tokens, and signatures for WeChat's JS-SDK."""

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import wechat_proof
from accounts.authentication import issue_token, signed_in
from accounts.models import User
from accounts.serializers import (
    AccessToken,
    Me,
    SignedPage,
    TicketPage,
    UnionId,
    WeChatCallback,
    WeChatUserInfo,
)
from accounts.throttles import ProofThrottle
from accounts.wechat_sign_in import page_signature, profile_of
from config.api import proofs, reading
from config.api.authentication import PROOF_AUTHENTICATION
from config.api.permissions import Anyone, IsUser
from config.api.renderer import Answer, TokenRenderer
from config.api.schema import operation
from config.api.throttles import Throttle
from config.api.views import OperationViews
from config.errors import Code, NotAllowed


class UnknownWeChatAccount(NotAllowed):
    message = "该微信账号还没有注册，请先添加机器人并补全资料"


class WeChatViews(OperationViews[User]):
    """Public exchange of WeChat's code for the visitor's profile and a proof cookie."""

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
        params = reading.query(request, WeChatCallback)
        profile = profile_of(params["app_id"], params["code"])
        response = Response(WeChatUserInfo(profile).data)
        # A script of the client calls this. A navigation is a link that may come from an attacker, with their code.
        if request.headers.get("Sec-Fetch-Mode") != "navigate":
            proofs.issue(
                response,
                union_id=profile.unionid,
                open_id=profile.openid,
                app_id=params["app_id"],
                at=timezone.now(),
            )
        return response


class JsTicketViews(OperationViews[User]):
    """Public signatures for WeChat's JS-SDK, which pages request several times."""

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
        params = reading.query(request, TicketPage)
        signature = page_signature(params["app_id"], params["url"], at=int(timezone.now().timestamp()))
        return Response({"appid": params["app_id"], "app_id": params["app_id"], **signature})


class TokenViews(OperationViews[User]):
    """Issue of access tokens to callers with a WeChat proof."""

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
        """Delete the identity cookie of a refused client, which would otherwise retry with it forever."""
        answer = getattr(response, "data", None)
        if isinstance(answer, Answer) and answer.code == Code.UNAUTHENTICATED:
            proofs.send_back_to_wechat(request, response)
        finished: Response = super().finalize_response(request, response, *args, **kwargs)
        return finished


class MeViews(OperationViews[User]):
    """The user of the access token."""

    permission_classes = (IsUser,)
    renderer_classes = (TokenRenderer,)

    @operation("当前 token 的用户", answer=Me)
    def show(self, request: Request) -> Response:
        return Response({"me": {"user_id": str(signed_in(request).pk)}})
