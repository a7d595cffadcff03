"""Calls to WeChat Pay for payouts: send, query, cancel.

A payout is marked SENT before the call leaves. From then on WeChat Pay may have its bill, so after any failure the next step
is to query the bill, or to send the transfer again with the same `out_bill_no` and receiver. A refusal ends a payout only
after a query has confirmed that WeChat Pay has no such bill. `sent_at` is the moment of a payout's first call, `called_at`
of its last one.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from config.platform.wakeups import start_soon
from earnings.models import Payout, PayoutState
from earnings.payouts import pauses, state
from earnings.payouts.state import PayoutEvent, apply_bill, apply_event
from integrations.http import OutsideError, Refused
from integrations.wechat.pay import (
    NOT_FOUND,
    BadSignature,
    BillState,
    SignatureRejected,
    UnclearBill,
    UnusableNotification,
    WeChatPay,
)

__all__ = [
    "BadSignature",
    "UnusableNotification",
    "handle_notification",
    "query_next",
    "query_soon",
    "send_next",
    "wechat_pay_client",
]

logger = logging.getLogger(__name__)

REMARK = "群收益提现"
DUE_SOON = timedelta(seconds=10)  # a payout due within this time is not moved forward
CALL_ARRIVES_WITHIN = timedelta(minutes=5)  # an older call can no longer arrive at WeChat Pay
STUCK_AFTER = timedelta(minutes=30)  # WeChat Pay asks merchants to send a bill again after this time in one state
CONFIRM_WITHIN = timedelta(hours=24)
CANCEL_AFTER = CONFIRM_WITHIN + timedelta(hours=1)  # WeChat Pay usually ends the bill itself before that
# WeChat Pay answers queries for 30 days. After that NOT_FOUND has no meaning, and sending again could pay twice.
QUERY_PERIOD = timedelta(days=29)
# Refusals about the merchant, which every payout would get: all payouts pause until the cause is fixed.
MERCHANT_ERRORS = {
    "NOT_ENOUGH": "商户余额不足，充值后自动继续",
    "NO_AUTH": "微信支付说商户没有转账权限，开通后自动继续",
}
SIGNATURE_REJECTED = "微信支付不认我们的签名，请检查商户证书，改正后自动继续"
QUERY_PAYOUTS = "earnings.tasks.query_payouts"
State = Payout.State
EARLY_STATES = {BillState.ACCEPTED, BillState.PROCESSING}


def wechat_pay_client() -> WeChatPay:
    """Return the WeChat Pay client from the settings, with its keys loaded."""
    return WeChatPay.from_settings()


def _claim(states: list[PayoutState], at: datetime) -> Payout | None:
    """Lease the payout in one of these states that has been due longest. Returns None when none is due.

    The lease covers one step: at most a query, a transfer and a second query; the settings refuse a WECHAT_PAY_TIMEOUT that
    could outlast it. No other worker claims the payout until a result is stored or the lease has ended. A transfer without a
    result is sent again only after a compare-and-set of `called_at` (`_record_call`), so a worker that has lost its lease
    does not send after another one did.
    A PREPARED payout is claimed and marked SENT only with the permission to send it.
    """
    with transaction.atomic():
        due = Payout.objects.due(at=at).filter(state__in=states)
        locked = due.select_for_update(skip_locked=True, of=("self",))
        payout = locked.select_related("withdrawal").first()
        if payout is None:
            return None
        lease: dict[str, Any] = {"leased_until": at + settings.PAYOUT_LEASE, "attempts": payout.attempts + 1}
        if payout.state != State.PREPARED:
            apply_event(PayoutEvent.LEASED, payout, at=at, **lease)
        elif pauses.take_permission_to_send(at=at):
            open_id, app_id = payout.withdrawal.open_id, payout.withdrawal.app_id
            apply_event(PayoutEvent.SENT, payout, at=at, open_id=open_id, app_id=app_id, **lease)
        else:
            return None
        return payout


def send_next(*, at: datetime, client: WeChatPay) -> bool:
    """Send one prepared payout. Returns False when none is due or payouts are paused.

    Raises OutsideError when WeChat Pay is unavailable; the caller then stops, because other payouts would fail too.
    """
    payout = _claim([State.PREPARED], at)
    if payout is not None:
        _send(payout, client, at)
    return payout is not None


def query_next(*, at: datetime, client: WeChatPay) -> bool:
    """Query one open payout. Returns False when none is due. Raises OutsideError like `send_next`."""
    payout = _claim([State.SENT, State.WAITING_USER], at)
    if payout is None:
        return False
    if payout.called_at is not None and at - payout.called_at > QUERY_PERIOD:
        reason = "超过微信支付 30 天查询期限，请在商户平台核对后人工确认"
        state.leave_to_operators(PayoutEvent.QUERY_PERIOD_OVER, payout, reason, at)
    else:
        _query(payout, client, at)
    return True


def _send(payout: Payout, client: WeChatPay, at: datetime) -> None:
    if not payout.open_id:  # without a receiver nothing was or will be sent under this number
        state.end_without_bill(payout, "用户没有绑定微信，无法打款", at)
        return
    try:
        bill = client.transfer(
            out_bill_no=payout.withdrawal.out_bill_no,
            openid=payout.open_id,
            app_id=payout.app_id,
            amount_fen=payout.withdrawal.amount_fen,
            remark=REMARK,
        )
    except Refused as error:
        _handle_refusal(payout, error, client, at)
    except OutsideError as error:
        _handle_outside_error(payout, error, at)
    else:
        if bill.state not in EARLY_STATES:  # in an early state the merchant account may still be empty
            pauses.end_pause(by=pauses.BY_WECHAT_PAY, at=at)
        apply_bill(bill, at=at)


def _handle_refusal(payout: Payout, refusal: Refused, client: WeChatPay, at: datetime) -> None:
    """Handle a refused transfer: pause, or query the bill, because an earlier call may have created it."""
    if refusal.code in MERCHANT_ERRORS:
        _pause_all(payout, MERCHANT_ERRORS[refusal.code], at)
        return
    try:
        bill = client.query(payout.withdrawal.out_bill_no)
    except Refused as error:
        if error.code == NOT_FOUND:
            state.end_without_bill(payout, f"微信支付拒绝：{refusal.code}", at)
        else:
            _postpone(payout, str(error), at)
    except OutsideError as error:
        _handle_outside_error(payout, error, at)
    else:
        apply_bill(bill, at=at)


def _handle_outside_error(payout: Payout, error: OutsideError, at: datetime) -> None:
    """Postpone a payout after a call without a usable answer. Raises the error again unless it concerns this payout only."""
    if isinstance(error, SignatureRejected):
        _pause_all(payout, SIGNATURE_REJECTED, at)
    else:
        _postpone(payout, str(error), at)
    if not isinstance(error, UnclearBill):
        raise error


def _pause_all(payout: Payout, reason: str, at: datetime) -> None:
    """Pause all payouts and log it once."""
    _postpone(payout, reason, at, until=at + pauses.RETRY_EVERY)
    if pauses.open_pause() is None:
        logger.error("Payouts are paused: %s", reason)
        try:
            pauses.pause_payouts(
                by=pauses.BY_WECHAT_PAY, reason=reason, at=at, next_attempt_at=at + pauses.RETRY_EVERY
            )
        except pauses.AlreadyPaused:
            logger.info("Payouts are paused already")


def _query(payout: Payout, client: WeChatPay, at: datetime) -> None:
    try:
        bill = client.query(payout.withdrawal.out_bill_no)
    except Refused as error:
        if error.code == NOT_FOUND:
            _resend_without_bill(payout, client, at)
        else:
            _postpone(payout, str(error), at)
    except OutsideError as error:
        _handle_outside_error(payout, error, at)
    else:
        pauses.end_pause(by=pauses.BY_WECHAT_PAY, at=at, reason=SIGNATURE_REJECTED)
        still_open = apply_bill(bill, at=at)
        if still_open is not None:
            _cancel_or_resend(still_open, client, at)


def _cancel_or_resend(payout: Payout, client: WeChatPay, at: datetime) -> None:
    """Cancel a bill that has waited too long for its user, or send a transfer again that makes no progress."""
    if payout.provider_state == BillState.WAIT_USER_CONFIRM and _is_to_be_cancelled(payout, at):
        _cancel(payout, client, at)
    elif _is_to_be_resent(payout, at):
        _resend_with_bill(payout, client, at)


def _is_to_be_cancelled(payout: Payout, at: datetime) -> bool:
    is_too_late = payout.called_at is not None and at - payout.called_at > CANCEL_AFTER
    return is_too_late or payout.cancel_asked_at is not None


def _cancel(payout: Payout, client: WeChatPay, at: datetime) -> None:
    """Cancel a bill. A refusal may mean that its state has changed, so the payout is queried again later."""
    try:
        bill = client.cancel(payout.withdrawal.out_bill_no)
    except Refused as error:
        _postpone(payout, f"微信支付没有撤销：{error.code}", at)
    except OutsideError as error:
        _handle_outside_error(payout, error, at)
    else:
        apply_bill(bill, at=at)


def _is_to_be_resent(payout: Payout, at: datetime) -> bool:
    """Return whether the transfer of an existing bill has to be sent again.

    `package_info`, which the user needs to confirm, comes only in the answer to a transfer. A bill that found the
    merchant account empty continues only when the transfer is sent again.
    """
    if payout.cancel_asked_at is not None or not payout.open_id:
        return False
    if payout.provider_state == BillState.WAIT_USER_CONFIRM:
        return not payout.package_info
    is_stuck = payout.called_at is not None and at - payout.called_at > STUCK_AFTER
    return is_stuck and payout.provider_state in EARLY_STATES


def _resend_with_bill(payout: Payout, client: WeChatPay, at: datetime) -> None:
    """Send the transfer of an existing bill again, unless payouts are paused. WeChat Pay answers with that bill."""
    if not pauses.take_permission_to_send(at=at):
        return
    # For a bill that waits for its user the call only fetches `package_info`. It is not recorded, because CANCEL_AFTER and
    # QUERY_PERIOD count from `called_at`, and the call does not renew the bill.
    if payout.provider_state == BillState.WAIT_USER_CONFIRM or _record_call(payout, at):
        _send(payout, client, at)


def _record_call(payout: Payout, at: datetime) -> bool:
    """Set `called_at` to a new call, by compare-and-set. Returns False when another worker called after our lease ended."""
    unchanged = Q(state=payout.state, called_at=payout.called_at)
    return apply_event(PayoutEvent.SENT_AGAIN, payout, at=at, only_if=unchanged)


def query_soon(withdrawal_id: UUID, *, at: datetime) -> None:
    """Make a payout that waits for its user due at once, after the user has confirmed it in WeChat.

    Only WeChat Pay's answer counts, so the payout is queried, and again soon. A payout that is due within DUE_SOON is
    left unchanged.
    """
    payout = Payout.objects.filter(pk=withdrawal_id).first()
    is_later = Q(next_attempt_at__gt=at + DUE_SOON)
    if payout is not None and apply_event(PayoutEvent.USER_CONFIRMED, payout, at=at, only_if=is_later, attempts=1):
        start_soon(QUERY_PAYOUTS)


def _resend_without_bill(payout: Payout, client: WeChatPay, at: datetime) -> None:
    """Send a transfer again for which WeChat Pay has no bill, when the last call can no longer arrive."""
    if payout.called_at is not None and at - payout.called_at < CALL_ARRIVES_WITHIN:
        _postpone(payout, "微信支付还不知道这笔转账", at, until=payout.called_at + CALL_ARRIVES_WITHIN)
    elif payout.provider_state:
        state.leave_to_operators(PayoutEvent.BILL_GONE, payout, state.MISSING_BILL, at)
    elif payout.cancel_asked_at is not None:
        state.end_without_bill(payout, "账号已被封，打款已撤销", at)
    elif not pauses.take_permission_to_send(at=at):
        _postpone(payout, "打款暂停中", at, until=at + pauses.RETRY_EVERY)
    elif _record_call(payout, at):
        _send(payout, client, at)


def _postpone(payout: Payout, note: str, at: datetime, *, until: datetime | None = None) -> None:
    """Release the lease and set the next attempt, unless the payout has ended or another worker has leased it since."""
    apply_event(
        PayoutEvent.POSTPONED,
        payout,
        at=at,
        only_if=Q(leased_until=payout.leased_until),
        note=note[:200],
        next_attempt_at=until or at + state.QUERY_BACKOFF.delay_after(payout.attempts),
    )


def handle_notification(
    headers: Mapping[str, str], body: bytes, *, at: datetime, client: WeChatPay | None = None
) -> None:
    """Apply WeChat Pay's notification about the end of a bill. Raises the errors of `WeChatPay.read_notification`."""
    apply_bill((client or wechat_pay_client()).read_notification(headers, body), at=at)
