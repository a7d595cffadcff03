"""The state machine of payouts: one table of events and transitions, and the functions that apply it.

`apply_event` is the only code that changes a payout's state, and a trigger of the database allows the same changes. A bill
that WeChat Pay has reported once exists. When a later query does not find it, the payout is left to operators: the bill may
have been paid, so returning the money to the user's account could pay it twice. A bill never changes an ended payout; when
the bill ended the other way, the contradiction is stored for operators and logged.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from config.errors import Conflict
from config.platform.queues import Backoff
from earnings import confirmation, withdrawals
from earnings.models import Payout, PayoutState, WithdrawalStatus
from integrations.wechat.pay import BillState, TransferBill

logger = logging.getLogger(__name__)

# The delays before the first, second … query in one state of the bill. They increase, because WeChat Pay's notification
# usually arrives before a query. A lease has counted the query already: `attempts` is 1 before the first one.
QUERY_BACKOFF = Backoff(tuple(timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 30, 60, 180)))
State = Payout.State
MISSING_BILL = "微信支付有过这笔转账，现在查不到，请在商户平台核对后人工确认"


class Actor(StrEnum):
    """The causes of events. An event of an operator stores the operator's name."""

    REVIEW = "approval"
    BLOCK = "block of the user"
    WORKER = "worker"
    WECHAT_PAY = "WeChat Pay"  # an answer, a query or a notification
    USER = "user"
    OPERATOR = "operator"


class PayoutEvent(StrEnum):
    """The events of a payout, described as in docs/ledger.md."""

    APPROVED = "withdrawal approved"
    SENT = "leased and sent"
    LEASED = "leased for a query"
    POSTPONED = "no usable answer"
    SENT_AGAIN = "sent again"
    BILL_UNEXPECTED = "bill of an unsent payout"
    BILL_OPEN = "bill in progress"
    BILL_WAITS = "bill waits for the user"
    BILL_PAID = "bill SUCCESS"
    BILL_NOT_PAID = "bill FAIL or CANCELLED"
    NO_BILL = "certainly no bill"
    BILL_GONE = "bill disappeared"
    QUERY_PERIOD_OVER = "29 days without an end"
    AMOUNT_DIFFERS = "bill with another amount"
    DECIDED_PAID = "decided as paid"
    DECIDED_NOT_PAID = "decided as not paid"
    USER_CONFIRMED = "confirmed in WeChat"
    CANCEL_ASKED = "user blocked after sending"
    REVOKED = "user blocked before sending"
    CONTRADICTED = "bill ended the other way"
    REVIEWED = "contradiction closed"


_ALWAYS = Q()


@dataclass(frozen=True)
class Transition:
    """A row of the table: the states in which an event may happen, and its consequences."""

    by: Actor
    sources: tuple[PayoutState, ...]
    to: PayoutState | None  # None: the state stays
    writes: tuple[str, ...]  # the other columns of the payout
    condition: Q = _ALWAYS  # on the payout, besides its state
    withdrawal: WithdrawalStatus | None = None  # its new status; the ledger is posted with it


_UNSENT = (State.PREPARED,)
_OPEN = (State.SENT, State.WAITING_USER)
_ENDED = (State.SUCCEEDED, State.FAILED, State.REVOKED)
_CALL = ("sent_at", "called_at", "open_id", "app_id")
_SCHEDULE = ("next_attempt_at", "leased_until")
_REPORT = ("provider_state", "package_info", "attempts", *_SCHEDULE)
_END = ("finished_at", "leased_until", "note", "provider_state")
_DECISION = (*_END, "finished_by")
_LEFT = ("needs_operator_at", "leased_until", "note")
_PAID, _FAILED = WithdrawalStatus.PAID, WithdrawalStatus.FAILED

TRANSITIONS: dict[PayoutEvent, Transition] = {
    PayoutEvent.APPROVED: Transition(
        Actor.REVIEW, (), State.PREPARED, ("created_at", "next_attempt_at"), withdrawal=WithdrawalStatus.PAYING
    ),
    PayoutEvent.REVOKED: Transition(
        Actor.BLOCK, _UNSENT, State.REVOKED, ("finished_at", "note"), withdrawal=WithdrawalStatus.REJECTED
    ),
    PayoutEvent.SENT: Transition(Actor.WORKER, _UNSENT, State.SENT, (*_CALL, "leased_until", "attempts")),
    PayoutEvent.BILL_UNEXPECTED: Transition(Actor.WECHAT_PAY, _UNSENT, State.SENT, _CALL),
    PayoutEvent.LEASED: Transition(Actor.WORKER, _OPEN, None, ("leased_until", "attempts")),
    PayoutEvent.POSTPONED: Transition(Actor.WORKER, _OPEN, None, ("note", *_SCHEDULE)),
    PayoutEvent.SENT_AGAIN: Transition(Actor.WORKER, _OPEN, None, ("called_at",)),
    PayoutEvent.BILL_OPEN: Transition(Actor.WECHAT_PAY, _OPEN, None, _REPORT),
    PayoutEvent.BILL_WAITS: Transition(Actor.WECHAT_PAY, _OPEN, State.WAITING_USER, _REPORT),
    PayoutEvent.BILL_PAID: Transition(Actor.WECHAT_PAY, _OPEN, State.SUCCEEDED, _END, withdrawal=_PAID),
    PayoutEvent.BILL_NOT_PAID: Transition(Actor.WECHAT_PAY, _OPEN, State.FAILED, _END, withdrawal=_FAILED),
    PayoutEvent.NO_BILL: Transition(
        Actor.WORKER, (State.SENT,), State.FAILED, _END, Q(provider_state=""), withdrawal=_FAILED
    ),
    PayoutEvent.BILL_GONE: Transition(Actor.WECHAT_PAY, _OPEN, None, _LEFT),
    PayoutEvent.AMOUNT_DIFFERS: Transition(Actor.WECHAT_PAY, _OPEN, None, _LEFT),
    PayoutEvent.QUERY_PERIOD_OVER: Transition(Actor.WORKER, _OPEN, None, _LEFT),
    PayoutEvent.DECIDED_PAID: Transition(
        Actor.OPERATOR, _OPEN, State.SUCCEEDED, _DECISION, Payout.LEFT_TO_OPERATORS, withdrawal=_PAID
    ),
    PayoutEvent.DECIDED_NOT_PAID: Transition(
        Actor.OPERATOR, _OPEN, State.FAILED, _DECISION, Payout.LEFT_TO_OPERATORS, withdrawal=_FAILED
    ),
    PayoutEvent.USER_CONFIRMED: Transition(
        Actor.USER, (State.WAITING_USER,), None, ("next_attempt_at", "attempts"), Q(needs_operator_at=None)
    ),
    PayoutEvent.CANCEL_ASKED: Transition(
        Actor.BLOCK, _OPEN, None, ("cancel_asked_at", "next_attempt_at"), Q(cancel_asked_at=None)
    ),
    PayoutEvent.CONTRADICTED: Transition(
        Actor.WECHAT_PAY, _ENDED, None, ("contradicted_at", "note"), Q(contradicted_at=None)
    ),
    PayoutEvent.REVIEWED: Transition(
        Actor.OPERATOR, _ENDED, None, ("reviewed_at", "reviewed_by", "note"), Payout.CONTRADICTED
    ),
}
# The events of a bill in these states. In any other state, also one that is newer than BillState, it is in progress.
_EVENT_OF_BILL: dict[str, PayoutEvent] = {
    BillState.WAIT_USER_CONFIRM: PayoutEvent.BILL_WAITS,
    BillState.SUCCESS: PayoutEvent.BILL_PAID,
    BillState.FAIL: PayoutEvent.BILL_NOT_PAID,
    BillState.CANCELLED: PayoutEvent.BILL_NOT_PAID,
}
_MOMENTS = (
    "sent_at",
    "called_at",
    "next_attempt_at",
    "cancel_asked_at",
    "needs_operator_at",
    "finished_at",
    "contradicted_at",
    "reviewed_at",
)


class NotForOperators(Conflict):
    message = "只有需要人工确认的打款可以人工定结果"


class NotContradicted(Conflict):
    message = "只有与微信支付结果不符的打款需要核对"


def apply_event(
    event: PayoutEvent,
    payout: Payout,
    *,
    at: datetime,
    by: str = "",
    reason: str = "",
    only_if: Q = _ALWAYS,
    **values: Any,
) -> bool:
    """Apply an event to a payout and its withdrawal. Returns False, and changes nothing, where the table does not allow it.

    The row of the table, and `only_if`, are tested by the UPDATE itself. `values` are the columns that it writes; without a
    value a moment is `at`, a person is `by`, and a lease ends. An event that changes the withdrawal, for this `reason`, needs
    a locked one (`PayoutQuerySet.lock`). Raises ValueError for an operator's event without a name, and for other columns.
    """
    transition = TRANSITIONS[event]
    defaults = {**dict.fromkeys(_MOMENTS, at), "leased_until": None, "finished_by": by, "reviewed_by": by} | values
    if (transition.by is Actor.OPERATOR and not by) or not values.keys() <= set(transition.writes):
        raise ValueError(f"{event}: by {by or 'nobody'}, {', '.join(values)}")
    columns = {name: defaults[name] for name in transition.writes}
    if transition.to is not None:
        columns["state"] = transition.to
    rows = Payout.objects.filter(only_if, transition.condition, pk=payout.pk, state__in=transition.sources)
    if not rows.update(**columns):
        return False
    for name, value in columns.items():
        setattr(payout, name, value)
    if transition.withdrawal == WithdrawalStatus.PAID:
        withdrawals.mark_paid(payout.withdrawal, at=at, by=by or withdrawals.BY_WECHAT_PAY)
    elif transition.withdrawal == WithdrawalStatus.FAILED:
        withdrawals.mark_failed(payout.withdrawal, reason=reason, at=at, by=by or withdrawals.BY_WECHAT_PAY)
    elif transition.withdrawal == WithdrawalStatus.REJECTED:
        withdrawals.reject_locked(payout.withdrawal, reason=reason, at=at, by=by)
    return True


def apply_bill(bill: TransferBill, *, at: datetime) -> Payout | None:
    """Apply a bill from an answer, a query or a notification. Bills may arrive in any order and repeatedly.

    Returns the payout while it is open, or None when it has ended, is unknown or is left to operators.
    """
    event = _EVENT_OF_BILL.get(bill.state, PayoutEvent.BILL_OPEN)
    with transaction.atomic():
        payout = Payout.objects.lock(bill.out_bill_no)
        if payout is None:
            return None
        if payout.finished_at is not None:
            _record_contradiction(event, payout, bill, at)
            return None
        if payout.state == State.PREPARED:
            _mark_sent_as_reported(payout, at)
        if bill.amount_fen not in (None, payout.withdrawal.amount_fen):
            _leave_other_amount(payout, bill, at)
            return None
        provider_state = bill.state[:32]
        if TRANSITIONS[event].withdrawal is not None:
            note = bill.fail_reason[:200] if event is PayoutEvent.BILL_NOT_PAID else ""
            reason = f"微信支付：{bill.fail_reason or bill.state}"
            apply_event(event, payout, at=at, reason=reason, note=note, provider_state=provider_state)
            return None
        is_new = bill.state != payout.provider_state  # the state changed, so the delays begin again
        attempts = 1 if is_new else payout.attempts
        apply_event(
            event,
            payout,
            at=at,
            provider_state=provider_state,
            package_info=bill.package_info or payout.package_info,
            attempts=attempts,
            next_attempt_at=at + QUERY_BACKOFF.delay_after(attempts),
        )
        if event is PayoutEvent.BILL_WAITS:
            confirmation.send_link(payout, at=at)
        return payout


def _mark_sent_as_reported(payout: Payout, at: datetime) -> None:
    """Mark a PREPARED payout as sent, because WeChat Pay has its bill.

    Our database was then restored from a backup that is older than the call.
    """
    logger.error("Payout %s is known to WeChat Pay, though it is not sent yet by our records", payout.pk)
    open_id, app_id = payout.withdrawal.open_id, payout.withdrawal.app_id
    apply_event(PayoutEvent.BILL_UNEXPECTED, payout, at=at, open_id=open_id, app_id=app_id)


def _leave_other_amount(payout: Payout, bill: TransferBill, at: datetime) -> None:
    """Leave a payout to operators whose bill has another amount, which no call of ours can have created."""
    logger.critical("Bill %s at WeChat Pay is not as we sent it (%s fen)", bill.out_bill_no, bill.amount_fen)
    note = f"微信支付有一笔我们没有这样提交过的转账（{bill.amount_fen} 分），请核对"
    apply_event(PayoutEvent.AMOUNT_DIFFERS, payout, at=at, note=note)


def _record_contradiction(event: PayoutEvent, payout: Payout, bill: TransferBill, at: datetime) -> None:
    """Record and log, once, that an ended payout has the opposite end at WeChat Pay."""
    is_end, is_paid = TRANSITIONS[event].withdrawal is not None, event is PayoutEvent.BILL_PAID
    if not is_end or is_paid == (payout.state == State.SUCCEEDED):
        return
    note = f"我们记为“{payout.get_state_display()}”，微信支付说 {bill.state}，请在商户平台核对"
    if apply_event(PayoutEvent.CONTRADICTED, payout, at=at, note=note):
        logger.critical("Payout %s is %s for us and %s for WeChat Pay", payout.pk, payout.state, bill.state)


def end_without_bill(payout: Payout, reason: str, at: datetime) -> None:
    """Fail a payout that has no bill and will get none, for this reason.

    A payout whose bill WeChat Pay has reported before is left to operators as MISSING_BILL instead.
    """
    with transaction.atomic():
        locked = Payout.objects.lock(payout.pk)
        if locked is None:
            return
        note = reason[:200]
        if not apply_event(PayoutEvent.NO_BILL, locked, at=at, reason=reason, note=note, provider_state=""):
            leave_to_operators(PayoutEvent.BILL_GONE, locked, MISSING_BILL, at)


def leave_to_operators(event: PayoutEvent, payout: Payout, note: str, at: datetime) -> None:
    """Stop querying and sending a payout. A notification can still end it."""
    if apply_event(event, payout, at=at, note=note):
        logger.error("Payout %s is left to operators: WeChat Pay no longer reports its state", payout.pk)


def decide(withdrawal_id: UUID, *, paid: bool, by: str, reason: str, at: datetime) -> None:
    """End a payout by an operator's decision after a look at the merchant platform.

    Raises NotForOperators unless the payout is left to operators.
    """
    event = PayoutEvent.DECIDED_PAID if paid else PayoutEvent.DECIDED_NOT_PAID
    with transaction.atomic():
        payout = Payout.objects.lock(withdrawal_id)
        if payout is None or not apply_event(
            event, payout, at=at, by=by, reason=reason, note=reason[:200], provider_state=""
        ):
            raise NotForOperators


def close_contradiction(withdrawal_id: UUID, *, by: str, reason: str, at: datetime) -> None:
    """Record how an operator resolved a contradiction. Moves no money. Raises NotContradicted for other payouts."""
    payout = Payout.objects.filter(pk=withdrawal_id).first()
    if payout is None or not apply_event(PayoutEvent.REVIEWED, payout, at=at, by=by, note=reason[:200]):
        raise NotContradicted
