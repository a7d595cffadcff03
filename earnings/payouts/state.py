"""Transitions of a payout: by WeChat Pay's transfer bills, and by operators' decisions.

A bill that WeChat Pay has reported once exists. When a later query does not find it, the payout is left to operators: the
bill may have been paid, so returning the money to the user's account could pay it twice. A bill never changes an ended
payout; when the bill ended the other way, the contradiction is stored for operators and logged.
"""

import logging
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from config.errors import Conflict
from config.site import short_links
from earnings import confirmation, withdrawals
from earnings.models import Payout, PayoutState, Withdrawal
from integrations.wechat.pay import BillState, TransferBill
from robots.friendships import latest_robot_of
from robots.models import Source, SourceType
from robots.outbox import writing

logger = logging.getLogger(__name__)

# The delays before the first, second … query in one state of the bill. They increase, because WeChat Pay's notification
# usually arrives before a query.
QUERY_DELAYS = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30, 60, 180)]
State = Payout.State
_PAID = {BillState.SUCCESS}
_NOT_PAID = {BillState.FAIL, BillState.CANCELLED}
MISSING_BILL = "微信支付有过这笔转账，现在查不到，请在商户平台核对后人工确认"


class NotForOperators(Conflict):
    message = "只有需要人工确认的打款可以人工定结果"


class NotContradicted(Conflict):
    message = "只有与微信支付结果不符的打款需要核对"


def apply_bill(bill: TransferBill, *, at: datetime) -> Payout | None:
    """Apply a bill from an answer, a query or a notification. Bills may arrive in any order and repeatedly.

    Returns the payout while it is open, or None when it has ended, is unknown or is left to operators.
    """
    with transaction.atomic():
        payout = _lock_by_number(bill.out_bill_no)
        if payout is None:
            return None
        if payout.ended_at is not None:
            _record_contradiction(payout, bill, at)
            return None
        if payout.state == State.PREPARED:
            _mark_sent_as_reported(payout, at)
        if _leave_if_amount_differs(bill, payout, at):
            return None
        return _apply_to_open_payout(bill, payout, at)


def _apply_to_open_payout(bill: TransferBill, payout: Payout, at: datetime) -> Payout | None:
    if bill.state in _PAID:
        _end(payout, State.SUCCEEDED, note="", provider_state=bill.state, at=at)
        withdrawals.mark_paid(payout.withdrawal, at=at)
        return None
    if bill.state in _NOT_PAID:
        _end(payout, State.FAILED, note=bill.fail_reason, provider_state=bill.state, at=at)
        withdrawals.mark_failed(payout.withdrawal, reason=f"微信支付：{bill.fail_reason or bill.state}", at=at)
        return None
    _update_open_payout(payout, bill, at)
    return payout


def _mark_sent_as_reported(payout: Payout, at: datetime) -> None:
    """Mark a PREPARED payout as sent, because WeChat Pay has its bill.

    Our database was then restored from a backup that is older than the call.
    """
    logger.error("Payout %s is known to WeChat Pay, though it is not sent yet by our records", payout.pk)
    mark_sent(payout, at)
    payout.save(update_fields=["state", "sent_at", "called_at", "open_id", "app_id"])


def _leave_if_amount_differs(bill: TransferBill, payout: Payout, at: datetime) -> bool:
    """Leave a payout to operators when the bill has another amount, which no call of ours can have created."""
    if bill.amount_fen in (None, fen(payout.withdrawal.amount)):
        return False
    logger.critical("Bill %s at WeChat Pay is not as we sent it (%s fen)", bill.out_bill_no, bill.amount_fen)
    note = f"微信支付有一笔我们没有这样提交过的转账（{bill.amount_fen} 分），请核对"
    Payout.objects.filter(pk=payout.pk).update(needs_operator_at=at, note=note)
    return True


def _record_contradiction(payout: Payout, bill: TransferBill, at: datetime) -> None:
    """Record and log, once, that an ended payout has the opposite end at WeChat Pay."""
    is_end, is_paid = bill.state in _PAID | _NOT_PAID, payout.state == State.SUCCEEDED
    if not is_end or is_paid == (bill.state in _PAID) or payout.contradicted_at is not None:
        return
    logger.critical("Payout %s is %s for us and %s for WeChat Pay", payout.pk, payout.state, bill.state)
    note = f"我们记为“{payout.get_state_display()}”，微信支付说 {bill.state}，请在商户平台核对"
    Payout.objects.filter(pk=payout.pk).update(contradicted_at=at, note=note)


def _update_open_payout(payout: Payout, bill: TransferBill, at: datetime) -> None:
    if bill.state != payout.provider_state:
        payout.try_count = 1  # the state changed, so the delays begin again
    payout.provider_state, payout.due_at = bill.state[:32], at + delay_until_query(payout)
    payout.package_info = bill.package_info or payout.package_info
    if bill.state == BillState.WAIT_USER_CONFIRM:
        payout.state = State.WAITING_USER
        if payout.package_info and payout.cancel_asked_at is None:
            _send_confirmation_link(payout, at)
    payout.save(update_fields=["provider_state", "due_at", "try_count", "state", "package_info"])


def delay_until_query(payout: Payout) -> timedelta:
    """Return the delay before the next query. A lease has counted it already: `try_count` is 1 before the first query."""
    query_number = min(payout.try_count, len(QUERY_DELAYS))
    return QUERY_DELAYS[query_number - 1]


def _send_confirmation_link(payout: Payout, at: datetime) -> None:
    """Send the user the link of the confirmation page, once, through the robot added last."""
    user = payout.withdrawal.user
    robot = latest_robot_of(user)
    if robot is not None and user.code:
        link = short_links.shorten(confirmation.address_of(payout.pk))
        text = f"你提现的 {payout.withdrawal.amount} 元已通过审核，请在 24 小时内打开链接确认收款：{link}"
        writing.message_user(
            robot=robot,
            user_code=user.code,
            content=writing.text(text),
            source=Source(SourceType.PAYOUT, str(payout.pk)),
            at=at,
            idempotency_key=f"payout_confirm:{payout.pk}",
        )


def mark_sent(payout: Payout, at: datetime) -> None:
    """Set the state SENT and the withdrawal's receiver, without saving. From then on WeChat Pay may know the number."""
    payout.state, payout.sent_at, payout.called_at = State.SENT, at, at
    payout.open_id, payout.app_id = payout.withdrawal.open_id, payout.withdrawal.app_id


def end_without_bill(payout: Payout, reason: str, at: datetime) -> None:
    """Fail a payout that has no bill and will get none, for this reason.

    A payout whose bill WeChat Pay has reported before is left to operators as MISSING_BILL instead.
    """
    with transaction.atomic():
        locked = _lock(payout.pk)
        if locked is None or locked.ended_at is not None:
            return
        if locked.provider_state:
            leave_to_operators(locked, MISSING_BILL, at)
        else:
            _end(locked, State.FAILED, note=reason, provider_state="", at=at)
            withdrawals.mark_failed(locked.withdrawal, reason=reason, at=at)


def leave_to_operators(payout: Payout, note: str, at: datetime) -> None:
    """Stop querying and sending a payout. A notification can still end it."""
    if Payout.objects.filter(pk=payout.pk, ended_at=None).update(needs_operator_at=at, note=note):
        logger.error("Payout %s is left to operators: WeChat Pay no longer reports its state", payout.pk)


def decide(withdrawal_id: UUID, *, paid: bool, by: str, reason: str, at: datetime) -> None:
    """End a payout by an operator's decision after a look at the merchant platform.

    Raises NotForOperators unless the payout is left to operators.
    """
    with transaction.atomic():
        payout = _lock(withdrawal_id)
        if payout is None or payout.needs_operator_at is None or payout.ended_at is not None:
            raise NotForOperators
        payout.ended_by = by
        _end(payout, State.SUCCEEDED if paid else State.FAILED, note=reason, provider_state="", at=at)
        if paid:
            withdrawals.mark_paid(payout.withdrawal, at=at, by=by)
        else:
            withdrawals.mark_failed(payout.withdrawal, reason=reason, at=at, by=by)


def close_contradiction(withdrawal_id: UUID, *, by: str, reason: str, at: datetime) -> None:
    """Record how an operator resolved a contradiction. Moves no money. Raises NotContradicted for other payouts."""
    unreviewed = Payout.objects.contradicted().filter(pk=withdrawal_id)
    if not unreviewed.update(reviewed_at=at, reviewed_by=by, note=reason[:200]):
        raise NotContradicted


def _end(payout: Payout, state: PayoutState, *, note: str, provider_state: str, at: datetime) -> None:
    payout.state, payout.ended_at = state, at
    payout.note, payout.provider_state = note[:200], provider_state[:32]
    payout.save(update_fields=["state", "ended_at", "ended_by", "note", "provider_state"])


def _lock(withdrawal_id: UUID | str) -> Payout | None:
    """Lock the withdrawal, then its payout; every caller uses this order. Returns None without a payout."""
    withdrawal = Withdrawal.objects.select_for_update().select_related(None).filter(pk=withdrawal_id).first()
    if withdrawal is None:
        return None
    payouts = Payout.objects.select_for_update(of=("self",)).select_related("withdrawal__user")
    return payouts.filter(pk=withdrawal.pk).first()


def _lock_by_number(out_bill_no: str) -> Payout | None:
    is_ours = len(out_bill_no) == 32 and all(digit in "0123456789abcdef" for digit in out_bill_no)
    return _lock(out_bill_no) if is_ours else None


def fen(amount: Decimal) -> int:
    """Return an amount of yuan in fen."""
    return int(amount * 100)
