"""Pausing all payouts: because the merchant account is empty, or because an operator says so."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from config.errors import Conflict
from earnings.models import Payout, PayoutPause

RETRY_EVERY = timedelta(minutes=10)
BY_PROVIDER = "微信支付"
State = Payout.State


class AlreadyPaused(Conflict):
    message = "打款已经暂停"


class NotPaused(Conflict):
    message = "打款没有暂停"


def open_pause() -> PayoutPause | None:
    return PayoutPause.objects.filter(resumed_at=None).first()


def may_send(*, at: datetime) -> bool:
    """Whether a payout may be sent now. In a pause that WeChat Pay caused one worker may try one, now and then."""
    pause = open_pause()
    if pause is None:
        return True
    turn = PayoutPause.objects.filter(pk=pause.pk, resumed_at=None, retry_at__lte=at)
    return bool(turn.update(retry_at=at + RETRY_EVERY))


def pause(*, by: str, reason: str, at: datetime, retry_at: datetime | None = None) -> PayoutPause:
    """Send nothing new to WeChat Pay from now on; what was sent is still asked about. AlreadyPaused when it is.

    An operator's pause (no `retry_at`) takes the place of one that WeChat Pay caused, which would end by itself.
    """
    try:
        with transaction.atomic():
            if retry_at is None:
                _open_provider_pauses().update(resumed_at=at, resumed_by=by, retry_at=None)
            return PayoutPause.objects.create(reason=reason[:200], paused_at=at, paused_by=by, retry_at=retry_at)
    except IntegrityError as error:  # one_pause_of_payouts_at_a_time
        raise AlreadyPaused from error


def resume(*, by: str, at: datetime) -> None:
    """Send again, at once what waited for it. NotPaused when nothing was paused."""
    if not _end_pauses(PayoutPause.objects.filter(resumed_at=None), by, at):
        raise NotPaused


def end_provider_pause(*, at: datetime, reason: str | None = None) -> bool:
    """WeChat Pay took a payout: a pause that it caused (for this reason, if one is named) is over. Whether it was."""
    caused = _open_provider_pauses()
    return _end_pauses(caused if reason is None else caused.filter(reason=reason), BY_PROVIDER, at)


def _open_provider_pauses() -> QuerySet[PayoutPause]:
    return PayoutPause.objects.filter(resumed_at=None, retry_at__isnull=False)


def _end_pauses(pauses: QuerySet[PayoutPause], by: str, at: datetime) -> bool:
    with transaction.atomic():
        if not pauses.update(resumed_at=at, resumed_by=by, retry_at=None):
            return False
        waiting = Payout.objects.filter(state=State.SENT, ended_at=None, provider_state="", due_at__gt=at)
        waiting.update(due_at=at)
        return True
