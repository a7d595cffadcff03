"""The page on which a user confirms a transfer in WeChat, and what its script asks while it waits.

WeChat's proof says who reads it. Nobody but the withdrawal's own user learns that there is one.
"""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import wechat_oauth
from accounts.authentication import signed_in
from accounts.wechat_proof import ProofAuthentication, proven_user
from accounts.wechat_sign_in import WeChatDown, WeChatRefused, page_signature
from config.api import proofs
from config.api.exception_handler import DEPENDENCY_DOWN, answer_other_method
from config.api.permissions import IsNotBlocked, IsProven
from config.api.schema import operation
from config.api.throttles import Throttle, TooManyRequests, client_address, count_call
from config.api.views import OperationViews
from config.errors import Code, NotFound, OutsideFailed, Refusal
from config.platform.cache import REDIS_AWAY
from config.platform.lookups import as_uuid
from earnings import confirmation, statements, withdrawals
from earnings.confirmation import NOTICES, Notice, Stage
from earnings.models import Withdrawal
from earnings.payouts import worker

_NOT_FOUND = Notice(
    "没有找到这笔提现",
    "请打开机器人私信里的链接。如果你有几个微信号，请用申请提现的那个登录。",
    "warning",
)
_ELSEWHERE = Notice(
    "请在微信里打开", "收款要在微信里确认。复制下面的链接，发给“文件传输助手”，再点开它。", "waiting"
)
_WECHAT_SCHEMES = ["weixin:", "weixinping:"]  # old versions of WeChat are called through frames of these addresses
_BUSY = Notice("暂时打不开", "系统正忙，请过一会儿再试。", "warning")


def payout_page(request: HttpRequest, reference: str) -> HttpResponseBase:
    """Show a withdrawal to its user, who confirms its transfer there."""
    return csp_update(_allowed_by_policy())(lambda asked: _answer(asked, reference))(request)


def _allowed_by_policy() -> dict[str, Any]:
    """Return what the page may load beside our own files: WeChat's JS-SDK, and what that needs."""
    address = urlsplit(settings.WECHAT_JS_SDK_URL)
    origin = f"{address.scheme}://{address.netloc}"
    allowed = {"script-src": [origin], "frame-src": _WECHAT_SCHEMES}
    # The sandbox's SDK asks the sandbox; WeChat's own asks the browser around it.
    return allowed | ({"connect-src": [origin]} if settings.EMBEDDED else {})


def _answer(request: HttpRequest, reference: str) -> HttpResponse:
    if request.method not in ("GET", "HEAD"):
        return answer_other_method(request)
    try:
        response = _page(request, as_uuid(reference))
    except TooManyRequests as refusal:
        response = _notice(request, Notice("操作太频繁", refusal.description, "warning"), 429, retry=True)
        response["Retry-After"] = str(refusal.retry_after)
    except OutsideFailed as refusal:
        response = _notice(request, Notice("微信没有响应", refusal.description, "warning"), 503, retry=True)
    except Refusal as refusal:
        response = _notice(request, Notice("还没有登录", refusal.description, "warning"), 403, retry=True)
    except DEPENDENCY_DOWN:
        response = _notice(request, _BUSY, HTTPStatus.SERVICE_UNAVAILABLE, retry=True)
    response["Cache-Control"] = "no-store"
    return response


def _page(request: HttpRequest, withdrawal_id: UUID | None) -> HttpResponse:
    if withdrawal_id is None:
        return _notice(request, _NOT_FOUND, 404)
    signing_in = _sign_in(request, withdrawal_id)
    if signing_in is not None:
        return signing_in
    withdrawal = confirmation.withdrawal_of(proven_user(request), withdrawal_id)
    if withdrawal is None:
        return _notice(request, _NOT_FOUND, 404, other_account=True)
    return render(request, "earnings/payout.html", _page_context(request, withdrawal))


def _sign_in(request: HttpRequest, withdrawal_id: UUID) -> HttpResponse | None:
    """Return the next step of signing in; None when WeChat has vouched for this browser."""
    path = confirmation.path_of(withdrawal_id)
    where = {"app_id": _app_of(withdrawal_id), "path": path}
    has_proof = proofs.read(request) is not None
    if wechat_oauth.is_return(request):
        if has_proof and not wechat_oauth.is_expected(request, **where):
            return HttpResponseRedirect(path)  # WeChat opens the address twice now and then, or the user went back
        _throttle(request)
        return wechat_oauth.finish_sign_in(request, **where)
    if has_proof and "again" not in request.GET:
        return None
    if not _is_in_wechat(request) and not settings.EMBEDDED:  # WeChat's sign-in page opens nowhere else
        return _notice(request, _ELSEWHERE, HTTPStatus.OK, link=confirmation.address_of(withdrawal_id))
    _throttle(request)
    return wechat_oauth.begin_sign_in(request, **where)


def _app_of(withdrawal_id: UUID) -> str:
    """Return the app in which the withdrawal is paid; the merchant's own for one that is not there."""
    found = Withdrawal.objects.filter(pk=withdrawal_id).values_list("app_id", flat=True).first()
    return withdrawals.app_to_pay_in(found)


def _throttle(request: HttpRequest) -> None:
    count_call("page_sign_in", client_address(request))


def _is_in_wechat(request: HttpRequest) -> bool:
    """Return whether WeChat's own browser asks: nothing else can show WeChat's page for a transfer."""
    return "MicroMessenger" in request.headers.get("User-Agent", "")


def _page_context(request: HttpRequest, withdrawal: Withdrawal) -> dict[str, Any]:
    """Return what the page shows of a withdrawal.

    In the embedded mode the sandbox plays WeChat's JS-SDK in every browser, and the page says so outside WeChat.
    """
    stage, payout = confirmation.stage_of(withdrawal), confirmation.payout_of(withdrawal)
    shown = {
        "withdrawal": withdrawal,
        "stage": stage,
        "notice": NOTICES[stage],
        "reason": confirmation.reason_of(withdrawal),
        "is_in_wechat": _is_in_wechat(request),
        "is_moving": stage in (Stage.PAYING, Stage.TRANSFERRING, Stage.CANCELLING),
    }
    if payout is None or stage not in (Stage.TO_CONFIRM, Stage.TRANSFERRING):
        return shown
    confirm_by = payout.called_at + worker.CONFIRM_WITHIN if payout.called_at else None
    shown |= {"confirm": statements.confirmation_of(payout), "confirm_by": confirm_by}
    if not _is_in_wechat(request):
        shown["link"] = confirmation.address_of(withdrawal.pk)
        if not settings.EMBEDDED:
            return shown
    return shown | {"signature": _signature(request, payout.app_id), "js_sdk": settings.WECHAT_JS_SDK_URL}


def _signature(request: HttpRequest, app_id: str) -> dict[str, str] | None:
    """Return what WeChat's JS-SDK needs on this page; None while WeChat does not give it to us."""
    address = f"{settings.PUBLIC_BASE_URL}{request.get_full_path()}"
    try:
        return page_signature(app_id, address, at=int(timezone.now().timestamp()))
    except (WeChatRefused, WeChatDown, *REDIS_AWAY):
        return None


def _notice(request: HttpRequest, notice: Notice, status: int, **facts: Any) -> HttpResponse:
    """Return a page that says one thing. `facts`: what can be done (retry, other_account), or a link to copy."""
    return render(request, "earnings/payout_notice.html", {"notice": notice, **facts}, status=status)


class PayoutState(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=[stage.value for stage in Stage], help_text="到哪一步了")


class PayoutStateViews(OperationViews[Withdrawal]):
    """What the page's script asks while it waits for the outcome."""

    authentication_classes = (ProofAuthentication,)
    permission_classes = (IsProven, IsNotBlocked)
    throttle_classes = (Throttle,)
    throttle_scope = "payout"

    @operation(
        "提现到哪一步了",
        answer=PayoutState,
        codes=[Code.NOT_FOUND],
        description="收款确认页用：reviewing 审核中，rejected 已拒绝，paying 打款中，to_confirm 待用户确认，"
        "transferring 转账中，cancelling 撤销中，checking 核实中，paid 已到账，failed 失败。",
    )
    def show(self, request: Request, reference: str) -> Response:
        return Response(_state_of(_own(request, reference)))

    @operation(
        "用户已在微信里确认收款",
        answer=PayoutState,
        codes=[Code.NOT_FOUND],
        description="收款确认页用：随即向微信支付查询；是否到账以微信支付的答复为准。",
    )
    def create(self, request: Request, reference: str) -> Response:
        withdrawal = _own(request, reference)
        worker.query_soon(withdrawal.pk, at=timezone.now())
        return Response(_state_of(withdrawal))


def _own(request: Request, reference: str) -> Withdrawal:
    withdrawal = confirmation.withdrawal_of(signed_in(request), as_uuid(reference))
    if withdrawal is None:
        raise NotFound
    return withdrawal


def _state_of(withdrawal: Withdrawal) -> dict[str, Any]:
    data: dict[str, Any] = PayoutState({"state": confirmation.stage_of(withdrawal)}).data
    return data
