"""Paying out through WeChat Pay: one number per withdrawal for ever, never guessed, never twice.

A payout is marked SENT before the call leaves. From then on WeChat Pay may know the number, so whatever
happens to us the next step is to ask about that same number, or to send that same number again, to the same
receiver. A refusal ends a payout only once WeChat Pay has also said that it knows no such bill.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from accounts.models import User
from config.platform.wakeups import start_soon
from earnings.models import Payout
from earnings.payouts import pauses, state
from earnings.payouts.state import apply_bill, fen
from integrations.http import OutsideError, Refused
from integrations.wechat.pay import (
    NOT_FOUND,
    BadSignature,
    BillState,
    NotRecognized,
    Unclear,
    UnusableNotify,
    WeChatPay,
)

__all__ = [
    "BadSignature",
    "UnusableNotify",
    "adapter",
    "cancel_unpaid_of",
    "query_soon",
    "query_next",
    "send_next",
    "handle_notify",
]

logger = logging.getLogger(__name__)

REMARK = "群收益提现"
LEASE = timedelta(minutes=2)  # longer than a call takes
DUE_SOON = timedelta(seconds=10)  # before a payout is asked about by itself
CALL_ARRIVES_WITHIN = timedelta(minutes=5)  # a call that left longer ago than this arrives no more
STUCK_AFTER = timedelta(minutes=30)  # WeChat Pay wants a bill that stays so long where it is sent again
CONFIRM_WITHIN = timedelta(hours=24)
CANCEL_AFTER = CONFIRM_WITHIN + timedelta(hours=1)  # WeChat Pay ends it by itself first, as a rule
# Bills are told about for 30 days. After that NOT_FOUND says nothing, and sending again could pay twice.
QUERY_PERIOD = timedelta(days=29)
# Refusals that are about us and would meet every payout: all of them wait until it is put right.
MERCHANT_ERRORS = {
    "NOT_ENOUGH": "商户余额不足,充值后自动继续",
    "NO_AUTH": "微信支付说商户没有转账权限,开通后自动继续",
}
NOT_RECOGNIZED = "微信支付不认我们的签名,请检查商户证书,改正后自动继续"
QUERY_PAYOUTS = "earnings.tasks.query_payouts"
State = Payout.State
EARLY_STATES = {BillState.ACCEPTED, BillState.PROCESSING}


def adapter() -> WeChatPay:
    """WeChat Pay as settings name it; reads the keys once."""
    return WeChatPay.from_settings()


def _claim(states: list[Payout.State], at: datetime) -> Payout | None:
    """Take the longest due payout in one of these states in hand, so that no other worker does."""
    with transaction.atomic():
        due = Payout.objects.filter(state__in=states, due_at__lte=at, ended_at=None, needs_operator_at=None)
        locked = due.order_by("due_at").select_for_update(skip_locked=True, of=("self",))
        payout = locked.select_related("withdrawal").first()
        if payout is None:
            return None
        payout.due_at = at + LEASE
        payout.try_count += 1
        if payout.state == State.PREPARED:
            state.mark_sent(payout, at)
        payout.save()
        return payout


def send_next(*, at: datetime, pay: WeChatPay) -> bool:
    """Send one payout that is prepared; false when there is none, or when payouts are paused.

    OutsideError when WeChat Pay is away: that payout waits, and the others would fare no better.
    """
    if not Payout.objects.filter(state=State.PREPARED, due_at__lte=at).exists() or not pauses.may_send(at=at):
        return False
    payout = _claim([State.PREPARED], at)
    if payout is not None:
        _send(payout, pay, at)
    return payout is not None


def query_next(*, at: datetime, pay: WeChatPay) -> bool:
    """Ask about one payout whose end is not known; false when none is due. OutsideError as for `send_next`."""
    payout = _claim([State.SENT, State.WAITING_USER], at)
    if payout is None:
        return False
    if payout.called_at is not None and at - payout.called_at > QUERY_PERIOD:
        state.leave_to_operators(payout, "超过微信支付 30 天查询期限,请在商户平台核对后人工确认", at)
    else:
        _query(payout, pay, at)
    return True


def _send(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    if not payout.open_id:  # nothing was ever sent under this number, nor will be
        state.fail_without_bill(payout, "用户没有绑定微信,无法打款", at)
        return
    try:
        bill = pay.transfer(
            out_bill_no=payout.withdrawal.out_bill_no,
            openid=payout.open_id,
            app_id=payout.app_id,
            amount_fen=fen(payout.withdrawal.amount),
            remark=REMARK,
        )
    except Refused as error:
        _handle_refusal(payout, error, pay, at)
    except OutsideError as error:
        _handle_outside_error(payout, error, at)
    else:
        if bill.state not in EARLY_STATES:  # those say nothing of the money in the merchant account
            pauses.end_provider_pause(at=at)
        apply_bill(bill, at=at)


def _handle_refusal(payout: Payout, refusal: Refused, pay: WeChatPay, at: datetime) -> None:
    """No bill was made by this call. An earlier one may have made it all the same: only a look tells."""
    if refusal.code in MERCHANT_ERRORS:
        _pause_all(payout, MERCHANT_ERRORS[refusal.code], at)
        return
    try:
        bill = pay.query(payout.withdrawal.out_bill_no)
    except Refused as error:
        if error.code == NOT_FOUND:
            state.fail_without_bill(payout, f"微信支付拒绝:{refusal.code}", at)
        else:
            _postpone(payout, str(error), at)
    except OutsideError as error:
        _handle_outside_error(payout, error, at)
    else:
        apply_bill(bill, at=at)


def _handle_outside_error(payout: Payout, trouble: OutsideError, at: datetime) -> None:
    """No answer to build on: this payout is asked about later. All others too, unless it is about this one alone."""
    if isinstance(trouble, NotRecognized):
        _pause_all(payout, NOT_RECOGNIZED, at)
    else:
        _postpone(payout, str(trouble), at)
    if not isinstance(trouble, Unclear):
        raise trouble


def _pause_all(payout: Payout, reason: str, at: datetime) -> None:
    """All payouts wait; said once, not once for each of them."""
    _postpone(payout, reason, at, until=at + pauses.RETRY_EVERY)
    if pauses.open_pause() is None:
        logger.error("Payouts are paused: %s", reason)
        try:
            pauses.pause(by=pauses.BY_PROVIDER, reason=reason, at=at, retry_at=at + pauses.RETRY_EVERY)
        except pauses.AlreadyPaused:
            logger.info("Payouts are paused already")


def _query(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    try:
        bill = pay.query(payout.withdrawal.out_bill_no)
    except Refused as error:
        if error.code == NOT_FOUND:
            _send_again(payout, pay, at)
        else:
            _postpone(payout, str(error), at)
    except OutsideError as error:
        _handle_outside_error(payout, error, at)
    else:
        pauses.end_provider_pause(at=at, reason=NOT_RECOGNIZED)
        under_way = apply_bill(bill, at=at)
        if under_way is not None:
            _cancel_or_repeat(under_way, pay, at)


def _cancel_or_repeat(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    """Of what WeChat Pay has and does not end: cancel what may wait no longer, repeat what only a repeat moves."""
    if payout.provider_state == BillState.WAIT_USER_CONFIRM and _is_to_be_cancelled(payout, at):
        _cancel(payout, pay, at)
    elif _is_to_be_repeated(payout, at):
        _repeat(payout, pay, at)


def _is_to_be_cancelled(payout: Payout, at: datetime) -> bool:
    is_too_late = payout.called_at is not None and at - payout.called_at > CANCEL_AFTER
    return is_too_late or payout.cancel_asked_at is not None


def _cancel(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    """A refusal says that it has moved on meanwhile, or nothing at all: the next look tells."""
    try:
        bill = pay.cancel(payout.withdrawal.out_bill_no)
    except Refused as error:
        _postpone(payout, f"微信支付没有撤销:{error.code}", at)
    except OutsideError as error:
        _handle_outside_error(payout, error, at)
    else:
        apply_bill(bill, at=at)


def _is_to_be_repeated(payout: Payout, at: datetime) -> bool:
    """The package that the user confirms with comes in the answer to a transfer only; and a bill that found the
    merchant account empty goes on when it is sent again."""
    if payout.cancel_asked_at is not None or not payout.open_id:
        return False
    if payout.provider_state == BillState.WAIT_USER_CONFIRM:
        return not payout.package_info
    is_stuck = payout.called_at is not None and at - payout.called_at > STUCK_AFTER
    return is_stuck and payout.provider_state in EARLY_STATES


def _repeat(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    """The same number, receiver and amount: WeChat Pay answers with the bill as it stands. Pauses hold for it too."""
    if not pauses.may_send(at=at):
        return
    if payout.provider_state == BillState.WAIT_USER_CONFIRM or _record_call(payout, at):
        _send(payout, pay, at)


def _record_call(payout: Payout, at: datetime) -> bool:
    """Whether it is ours to call: by compare-and-set, since the lease may have run out meanwhile."""
    mine = Payout.objects.filter(pk=payout.pk, state=payout.state, called_at=payout.called_at)
    return bool(mine.update(called_at=at))


def cancel_unpaid_of(user: User, *, at: datetime) -> int:
    """Take back what was sent for a blocked user, as far as WeChat Pay lets us; how many will be asked about at once.

    What is paid by then is paid; what waits for the user is cancelled, and what never arrived is not sent again.
    """
    sent = Payout.objects.filter(withdrawal__user=user, state__in=[State.SENT, State.WAITING_USER], ended_at=None)
    count = sent.filter(cancel_asked_at=None).update(cancel_asked_at=at, due_at=at)
    if count:
        start_soon(QUERY_PAYOUTS)
    return count


def query_soon(withdrawal_id: UUID, *, at: datetime) -> None:
    """Have the workers ask about a payout at once that waits for its user, who says that it is confirmed.

    WeChat Pay alone says whether it is. It is asked again soon, as of a payout that moves; what is due soon anyhow
    stays as it is.
    """
    waiting = Payout.objects.filter(pk=withdrawal_id, state=State.WAITING_USER, needs_operator_at=None)
    if waiting.filter(due_at__gt=at + DUE_SOON).update(due_at=at, try_count=1):
        start_soon(QUERY_PAYOUTS)


def _send_again(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    """WeChat Pay knows nothing of the number, so the same one is sent, once the last call can arrive no more."""
    if payout.called_at is not None and at - payout.called_at < CALL_ARRIVES_WITHIN:
        _postpone(payout, "微信支付还不知道这笔转账", at, until=payout.called_at + CALL_ARRIVES_WITHIN)
    elif payout.cancel_asked_at is not None or payout.provider_state:
        state.fail_without_bill(payout, "账号已被封,打款已撤销", at)
    elif not pauses.may_send(at=at):
        _postpone(payout, "打款暂停中", at, until=at + pauses.RETRY_EVERY)
    elif _record_call(payout, at):
        _send(payout, pay, at)


def _postpone(payout: Payout, note: str, at: datetime, *, until: datetime | None = None) -> None:
    open_states = [State.SENT, State.WAITING_USER]
    Payout.objects.filter(pk=payout.pk, state__in=open_states).update(
        note=note[:200], due_at=until or at + state.query_delay(payout)
    )


def handle_notify(headers: Mapping[str, str], body: bytes, *, at: datetime, pay: WeChatPay | None = None) -> None:
    """Take what WeChat Pay tells of how a bill ended; raises as `WeChatPay.read_notify` does."""
    apply_bill((pay or WeChatPay.from_settings()).read_notify(headers, body), at=at)
