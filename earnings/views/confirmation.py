"""Views of the page on which a user confirms a transfer in WeChat, and of the state that its script polls.

The visitor is identified by a WeChat proof. Only the withdrawal's own user learns that the withdrawal exists.
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
_WECHAT_SCHEMES = [
    "weixin:",
    "weixinping:",
]  # old versions of WeChat open their dialogs through frames with these schemes
_BUSY = Notice("暂时打不开", "系统正忙，请过一会儿再试。", "warning")


def payout_page(request: HttpRequest, reference: str) -> HttpResponseBase:
    """Show the confirmation page of a withdrawal to its user."""
    return csp_update(_policy_sources())(lambda inner: _respond(inner, reference))(request)


def _policy_sources() -> dict[str, Any]:
    """Return the content security policy's additional sources: WeChat's JS-SDK and its frames."""
    address = urlsplit(settings.WECHAT_JS_SDK_URL)
    origin = f"{address.scheme}://{address.netloc}"
    allowed = {"script-src": [origin], "frame-src": _WECHAT_SCHEMES}
    # The sandbox's SDK calls the sandbox over HTTP; WeChat's SDK calls the browser that contains it.
    return allowed | ({"connect-src": [origin]} if settings.EMBEDDED else {})


def _respond(request: HttpRequest, reference: str) -> HttpResponse:
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
    sign_in_step = _sign_in(request, withdrawal_id)
    if sign_in_step is not None:
        return sign_in_step
    withdrawal = confirmation.withdrawal_of(proven_user(request), withdrawal_id)
    if withdrawal is None:
        return _notice(request, _NOT_FOUND, 404, other_account=True)
    return render(request, "earnings/payout.html", _page_context(request, withdrawal))


def _sign_in(request: HttpRequest, withdrawal_id: UUID) -> HttpResponse | None:
    """Return the response for the next step of the sign-in, or None when this browser has a WeChat proof."""
    path = confirmation.path_of(withdrawal_id)
    target = {"app_id": _app_of(withdrawal_id), "path": path}
    has_proof = proofs.read(request) is not None
    if wechat_oauth.is_return(request):
        if has_proof and not wechat_oauth.is_expected(request, **target):
            return HttpResponseRedirect(path)  # WeChat sometimes opens the URL twice, or the user went back
        _throttle(request)
        return wechat_oauth.finish_sign_in(request, **target)
    if has_proof and "again" not in request.GET:
        return None
    if not _is_in_wechat(request) and not settings.EMBEDDED:  # WeChat's sign-in page works only in WeChat
        return _notice(request, _ELSEWHERE, HTTPStatus.OK, link=confirmation.address_of(withdrawal_id))
    _throttle(request)
    return wechat_oauth.begin_sign_in(request, **target)


def _app_of(withdrawal_id: UUID) -> str:
    """Return the app in which the withdrawal is paid, or the merchant's own app for an unknown withdrawal."""
    app_id = Withdrawal.objects.filter(pk=withdrawal_id).values_list("app_id", flat=True).first()
    return withdrawals.app_to_pay_in(app_id)


def _throttle(request: HttpRequest) -> None:
    count_call("page_sign_in", client_address(request))


def _is_in_wechat(request: HttpRequest) -> bool:
    """Return whether the request comes from WeChat's browser, the only one that can show WeChat's transfer page."""
    return "MicroMessenger" in request.headers.get("User-Agent", "")


def _page_context(request: HttpRequest, withdrawal: Withdrawal) -> dict[str, Any]:
    """Return the template context of a withdrawal.

    In the embedded mode the sandbox replaces WeChat's JS-SDK in every browser; outside WeChat the page shows a note.
    """
    stage, payout = confirmation.stage_of(withdrawal), confirmation.payout_of(withdrawal)
    context = {
        "withdrawal": withdrawal,
        "stage": stage,
        "notice": NOTICES[stage],
        "reason": confirmation.reason_of(withdrawal),
        "is_in_wechat": _is_in_wechat(request),
        "is_moving": stage in (Stage.PAYING, Stage.TRANSFERRING, Stage.CANCELLING),
    }
    if payout is None or stage not in (Stage.TO_CONFIRM, Stage.TRANSFERRING):
        return context
    confirm_by = payout.called_at + worker.CONFIRM_WITHIN if payout.called_at else None
    context |= {"confirm": statements.confirmation_of(payout), "confirm_by": confirm_by}
    if not _is_in_wechat(request):
        context["link"] = confirmation.address_of(withdrawal.pk)
        if not settings.EMBEDDED:
            return context
    return context | {"signature": _signature(request, payout.app_id), "js_sdk": settings.WECHAT_JS_SDK_URL}


def _signature(request: HttpRequest, app_id: str) -> dict[str, str] | None:
    """Return the signature of this page for WeChat's JS-SDK, or None while WeChat is unavailable."""
    address = f"{settings.PUBLIC_BASE_URL}{request.get_full_path()}"
    try:
        return page_signature(app_id, address, at=int(timezone.now().timestamp()))
    except (WeChatRefused, WeChatDown, *REDIS_AWAY):
        return None


def _notice(request: HttpRequest, notice: Notice, status: int, **context: Any) -> HttpResponse:
    """Return a page with one notice. `context` has its buttons (retry, other_account) or a link to copy."""
    return render(request, "earnings/payout_notice.html", {"notice": notice, **context}, status=status)


class PayoutStage(serializers.Serializer[Any]):
    state = serializers.ChoiceField(choices=[stage.value for stage in Stage], help_text="到哪一步了")


class PayoutStateViews(OperationViews[Withdrawal]):
    """The state of a withdrawal, polled by the script of the confirmation page."""

    authentication_classes = (ProofAuthentication,)
    permission_classes = (IsProven, IsNotBlocked)
    throttle_classes = (Throttle,)
    throttle_scope = "payout"

    @operation(
        "提现到哪一步了",
        answer=PayoutStage,
        codes=[Code.NOT_FOUND],
        description="收款确认页用：reviewing 审核中，rejected 已拒绝，paying 打款中，to_confirm 待用户确认，"
        "transferring 转账中，cancelling 撤销中，checking 核实中，paid 已到账，failed 失败。",
    )
    def show(self, request: Request, reference: str) -> Response:
        return Response(_state_of(_own_withdrawal(request, reference)))

    @operation(
        "用户已在微信里确认收款",
        answer=PayoutStage,
        codes=[Code.NOT_FOUND],
        description="收款确认页用：随即向微信支付查询；是否到账以微信支付的答复为准。",
    )
    def create(self, request: Request, reference: str) -> Response:
        withdrawal = _own_withdrawal(request, reference)
        worker.query_soon(withdrawal.pk, at=timezone.now())
        return Response(_state_of(withdrawal))


def _own_withdrawal(request: Request, reference: str) -> Withdrawal:
    withdrawal = confirmation.withdrawal_of(signed_in(request), as_uuid(reference))
    if withdrawal is None:
        raise NotFound
    return withdrawal


def _state_of(withdrawal: Withdrawal) -> dict[str, Any]:
    data: dict[str, Any] = PayoutStage({"state": confirmation.stage_of(withdrawal)}).data
    return data
