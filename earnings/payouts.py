"""Paying out through WeChat Pay: one number per withdrawal for ever, never guessed, never twice.

A payout is marked SENT before the call leaves. From then on WeChat Pay may know the number, so whatever
happens to us the next step is to ask about that same number, or to send that same number again.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from earnings import withdrawals
from earnings.models import Payout, Withdrawal
from integrations.http import OutsideError, Refused
from integrations.wechat_pay import BadSignature, BillState, TransferBill, WeChatPay
from robots import outbox
from robots.friendships import latest_robot_of

__all__ = ["BadSignature", "query_due", "send_due", "take_notify"]

logger = logging.getLogger(__name__)

REMARK = "群收益提现"
LEASE = timedelta(minutes=2)  # longer than a call takes
QUERY_EVERY = timedelta(minutes=1)
NO_FUNDS_PAUSE = timedelta(minutes=10)
MERCHANT_OUT_OF_FUNDS = "NOT_ENOUGH"
State = Payout.State
_PAID = {BillState.SUCCESS}
_NOT_PAID = {BillState.FAIL, BillState.CANCELLED}


def _claim(state: Payout.State, at: datetime) -> Payout | None:
    """Take the longest due payout of that state in hand, so that no other worker does."""
    with transaction.atomic():
        due = Payout.objects.filter(state=state, due_at__lte=at).order_by("due_at")
        payout = due.select_for_update(skip_locked=True, of=("self",)).select_related("withdrawal__user").first()
        if payout is None:
            return None
        payout.due_at = at + LEASE
        payout.try_count += 1
        if state == State.PREPARED:
            payout.state, payout.sent_at = State.SENT, at
        payout.save(update_fields=["due_at", "try_count", "state", "sent_at"])
        return payout


def send_due(*, at: datetime, pay: WeChatPay | None = None) -> int:
    """Send every payout that is prepared; how many."""
    pay, count = pay or WeChatPay.from_settings(), 0
    while payout := _claim(State.PREPARED, at):
        _send(payout, pay, at)
        count += 1
    return count


def query_due(*, at: datetime, pay: WeChatPay | None = None) -> int:
    """Ask about every payout whose end is not known; how many."""
    pay, count = pay or WeChatPay.from_settings(), 0
    for state in (State.SENT, State.WAITING_USER):
        while payout := _claim(state, at):
            _query(payout, pay, at)
            count += 1
    return count


def _send(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    withdrawal = payout.withdrawal
    try:
        bill = pay.transfer(
            out_bill_no=withdrawal.out_bill_no,
            openid=withdrawal.user.open_id,
            amount_fen=_fen(withdrawal.amount),
            remark=REMARK,
        )
    except Refused as error:
        if error.code == MERCHANT_OUT_OF_FUNDS:
            logger.error("The merchant account is out of funds: payouts wait")
            _wait(payout, "商户余额不足,充值后自动继续", at + NO_FUNDS_PAUSE)
            return
        _end_refused(payout, error, at)
    except OutsideError as error:
        _wait(payout, str(error), at + QUERY_EVERY)
    else:
        take_bill(bill, at=at)


def _query(payout: Payout, pay: WeChatPay, at: datetime) -> None:
    try:
        bill = pay.query(payout.withdrawal.out_bill_no)
    except Refused as error:
        if error.code == "NOT_FOUND":
            _send(payout, pay, at)  # it never arrived: the same number again
        else:
            _wait(payout, str(error), at + QUERY_EVERY)
    except OutsideError as error:
        _wait(payout, str(error), at + QUERY_EVERY)
    else:
        take_bill(bill, at=at)


def _wait(payout: Payout, note: str, until: datetime) -> None:
    open_states = [State.SENT, State.WAITING_USER]
    Payout.objects.filter(pk=payout.pk, state__in=open_states).update(note=note[:200], due_at=until)


def _end_refused(payout: Payout, error: Refused, at: datetime) -> None:
    """WeChat Pay refused with a code that says for certain that there is no bill."""
    with transaction.atomic():
        locked = _lock(payout.pk)
        if locked is not None and locked.ended_at is None:
            _end(locked, State.FAILED, note=str(error), provider_state="", at=at)
            withdrawals.mark_failed(locked.withdrawal, reason=f"微信支付拒绝:{error.code}", at=at)


def take_bill(bill: TransferBill, *, at: datetime) -> None:
    """Believe what WeChat Pay says about a bill, from an answer, a query or a notify, in any order and number."""
    with transaction.atomic():
        payout = _lock_by_number(bill.out_bill_no)
        if payout is None or payout.ended_at is not None:
            return
        if bill.state in _PAID:
            _end(payout, State.SUCCEEDED, note="", provider_state=bill.state, at=at)
            withdrawals.mark_paid(payout.withdrawal, at=at)
        elif bill.state in _NOT_PAID:
            _end(payout, State.FAILED, note=bill.fail_reason, provider_state=bill.state, at=at)
            withdrawals.mark_failed(payout.withdrawal, reason=f"微信支付:{bill.fail_reason or bill.state}", at=at)
        else:
            _keep_waiting(payout, bill, at)


def _keep_waiting(payout: Payout, bill: TransferBill, at: datetime) -> None:
    payout.provider_state, payout.due_at = bill.state[:32], at + QUERY_EVERY
    if bill.state == BillState.WAIT_USER_CONFIRM:
        payout.state = State.WAITING_USER
        payout.package_info = bill.package_info or payout.package_info
        _remind(payout, at)
    payout.save(update_fields=["provider_state", "due_at", "state", "package_info"])


def _remind(payout: Payout, at: datetime) -> None:
    """Once, through the robot added last: the money waits for the user to confirm."""
    user = payout.withdrawal.user
    robot = latest_robot_of(user)
    if robot is not None and user.code:
        words = f"你提现的 {payout.withdrawal.amount} 元已通过审核,请在 24 小时内打开提现页确认收款。"
        outbox.tell_user(
            robot=robot,
            user_code=user.code,
            content=outbox.text(words),
            cause=f"payout:{payout.pk}",
            at=at,
            dedupe_key=f"payout_confirm:{payout.pk}",
        )


def _end(payout: Payout, state: Payout.State, *, note: str, provider_state: str, at: datetime) -> None:
    payout.state, payout.ended_at = state, at
    payout.note, payout.provider_state = note[:200], provider_state[:32]
    payout.save(update_fields=["state", "ended_at", "note", "provider_state"])


def _lock(withdrawal_id: UUID | str) -> Payout | None:
    """Withdrawal first, then its payout: the order in which everybody locks them."""
    withdrawal = Withdrawal.objects.select_for_update().select_related(None).filter(pk=withdrawal_id).first()
    if withdrawal is None:
        return None
    return Payout.objects.select_for_update(of=("self",)).select_related("withdrawal__user").get(pk=withdrawal.pk)


def _lock_by_number(out_bill_no: str) -> Payout | None:
    is_ours = len(out_bill_no) == 32 and all(digit in "0123456789abcdef" for digit in out_bill_no)
    return _lock(out_bill_no) if is_ours else None


def take_notify(headers: Mapping[str, str], body: bytes, *, at: datetime, pay: WeChatPay | None = None) -> None:
    """WeChat Pay tells how a bill ended; BadSignature when it is not WeChat Pay who tells."""
    take_bill((pay or WeChatPay.from_settings()).read_notify(headers, body), at=at)


def _fen(amount: Decimal) -> int:
    return int(amount * 100)
