"""Pauses of all payouts, caused by WeChat Pay (for example an empty merchant account) or by an operator."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_noop

from config.errors import Conflict
from earnings.models import Payout, PayoutPause

RETRY_EVERY = timedelta(minutes=10)
BY_WECHAT_PAY = "微信支付"
State = Payout.State


class AlreadyPaused(Conflict):
    message = gettext_noop("打款已经暂停")


class NotPaused(Conflict):
    message = gettext_noop("打款没有暂停")


def open_pause() -> PayoutPause | None:
    return PayoutPause.objects.filter(resumed_at=None).first()


def take_permission_to_send(*, at: datetime) -> bool:
    """Return whether one payout may be sent now.

    A pause caused by WeChat Pay permits one payout every 10 minutes, to whichever worker asks first. A call that returns
    True uses that permission up, so only a worker that is about to send calls this.
    """
    pauses = PayoutPause.objects.filter(resumed_at=None)
    if not pauses.exists():
        return True
    return bool(pauses.filter(next_attempt_at__lte=at).update(next_attempt_at=at + RETRY_EVERY))


def pause_payouts(*, by: str, reason: str, at: datetime, next_attempt_at: datetime | None = None) -> PayoutPause:
    """Stop sending new payouts to WeChat Pay. Sent payouts are still queried. Raises AlreadyPaused.

    An operator's pause (no `next_attempt_at`) replaces a pause caused by WeChat Pay, which would end by itself.
    """
    try:
        with transaction.atomic():
            if next_attempt_at is None:
                # Only the pause is replaced: the payouts that it delayed stay delayed.
                replaced = PayoutPause.objects.filter(resumed_at=None, next_attempt_at__isnull=False)
                replaced.update(resumed_at=at, resumed_by=by, next_attempt_at=None)
            return PayoutPause.objects.create(
                reason=reason[:200], paused_at=at, paused_by=by, next_attempt_at=next_attempt_at
            )
    except IntegrityError as error:  # one_pause_of_payouts_at_a_time
        raise AlreadyPaused from error


def resume_payouts(*, by: str, at: datetime) -> None:
    """Resume sending. Payouts that the pause delayed become due at once. Raises NotPaused."""
    if not end_pause(by=by, at=at):
        raise NotPaused


def end_pause(*, by: str, at: datetime, reason: str | None = None) -> bool:
    """End the open pause, or only one with this reason. Returns False when there was none.

    By WeChat Pay, which has made a transfer or answered a query, only its own pause is ended.
    """
    pauses = PayoutPause.objects.filter(resumed_at=None)
    if by == BY_WECHAT_PAY:
        pauses = pauses.filter(next_attempt_at__isnull=False)
    if reason is not None:
        pauses = pauses.filter(reason=reason)
    with transaction.atomic():
        if not pauses.update(resumed_at=at, resumed_by=by, next_attempt_at=None):
            return False
        # PREPARED payouts stay due during a pause. Which SENT payouts it delayed is not stored, so all without a bill are
        # queried at once. A lease is left to its worker.
        delayed = Payout.objects.filter(
            state=State.SENT, finished_at=None, provider_state="", next_attempt_at__gt=at
        )
        delayed.update(next_attempt_at=at)
        return True
