"""The unpaid withdrawals of blocked users: rejected before their payouts are sent, cancelled afterwards."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from config.platform.wakeups import start_soon
from earnings import withdrawals
from earnings.models import Payout, Withdrawal
from earnings.payouts.state import PayoutEvent, apply_event
from earnings.payouts.worker import QUERY_PAYOUTS


def reject_unpaid_of(user: User, *, by: str, reason: str, at: datetime) -> list[Withdrawal]:
    """Reject a blocked user's withdrawals that are unreviewed, or approved and not sent to WeChat Pay yet.

    A withdrawal that may have reached WeChat Pay keeps its outcome, because the money may be paid already.
    """
    with transaction.atomic():
        withdrawals.lock_user(user)
        unpaid = Withdrawal.objects.filter(user=user, status__in=withdrawals.UNPAID)
        locked = withdrawals.lock_withdrawals(unpaid.values_list("pk", flat=True))
        return [withdrawal for withdrawal in locked if _reject_unsent(withdrawal, by=by, reason=reason, at=at)]


def _reject_unsent(withdrawal: Withdrawal, *, by: str, reason: str, at: datetime) -> bool:
    """Reject a locked withdrawal, unless its payout was sent. Returns whether it is rejected."""
    if withdrawal.status == Withdrawal.Status.TO_REVIEW:
        withdrawals.reject_locked(withdrawal, by=by, reason=reason, at=at)
        return True
    payout = Payout.objects.filter(withdrawal=withdrawal).first()
    if payout is None:
        return False
    payout.withdrawal = withdrawal
    return apply_event(PayoutEvent.REVOKED, payout, at=at, by=by, reason=reason, note="提现已拒绝")


def cancel_unpaid_of(user: User, *, at: datetime) -> int:
    """Request the cancellation of a blocked user's sent payouts. Returns their number.

    A worker queries them at once. A paid payout stays paid, one that waits for the user is cancelled, and one that
    never arrived is not sent again.
    """
    sent = Payout.objects.filter(withdrawal__user=user, finished_at=None, cancel_asked_at=None).order_by("pk")
    count = sum(apply_event(PayoutEvent.CANCEL_ASKED, payout, at=at) for payout in sent)
    if count:
        start_soon(QUERY_PAYOUTS)
    return count
