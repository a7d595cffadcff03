"""Pausing all payouts: because the merchant account is empty, or because an operator says so."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet, Sum

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
    """Send nothing new to WeChat Pay from now on; what was sent is still asked about. AlreadyPaused when it is."""
    try:
        with transaction.atomic():
            return PayoutPause.objects.create(reason=reason[:200], paused_at=at, paused_by=by, retry_at=retry_at)
    except IntegrityError as error:  # one_pause_of_payouts_at_a_time
        raise AlreadyPaused from error


def resume(*, by: str, at: datetime) -> None:
    """Send again, at once what waited for it. NotPaused when nothing was paused."""
    if not _end_pauses(PayoutPause.objects.filter(resumed_at=None), by, at):
        raise NotPaused


def end_what_provider_caused(*, at: datetime) -> bool:
    """WeChat Pay took a payout: a pause that it caused is over. Whether there was one."""
    return _end_pauses(PayoutPause.objects.filter(resumed_at=None, retry_at__isnull=False), BY_PROVIDER, at)


def _end_pauses(pauses: QuerySet[PayoutPause], by: str, at: datetime) -> bool:
    with transaction.atomic():
        if not pauses.update(resumed_at=at, resumed_by=by, retry_at=None):
            return False
        waiting = Payout.objects.filter(state=State.SENT, ended_at=None, provider_state="", due_at__gt=at)
        waiting.update(due_at=at)
        return True


@dataclass(frozen=True)
class PayoutsState:
    """What operators should know of payouts at a glance, in yuan where it is money."""

    pause: PayoutPause | None
    waiting_count: int  # approved, nothing sent yet
    waiting_total: Any
    unknown_count: int  # sent, outcome not known yet
    unknown_total: Any
    waiting_user_count: int  # the user has to confirm
    failed_today: int
    for_operator: int  # too old to be asked about: somebody has to look at the merchant platform


def state_of_payouts(*, day_start: datetime) -> PayoutsState:
    """One query over what is under way and what failed since `day_start`, and one for the pause."""
    under_way = Payout.objects.filter(Q(ended_at=None) | Q(state=State.FAILED, ended_at__gte=day_start))
    counts: dict[str, Any] = dict.fromkeys(State, (0, 0))
    for state, count, total in (
        under_way.order_by().values_list("state").annotate(n=Count("pk"), total=Sum("withdrawal__amount"))
    ):
        counts[state] = (count, total)
    return PayoutsState(
        pause=open_pause(),
        waiting_count=counts[State.PREPARED][0],
        waiting_total=counts[State.PREPARED][1],
        unknown_count=counts[State.SENT][0],
        unknown_total=counts[State.SENT][1],
        waiting_user_count=counts[State.WAITING_USER][0],
        failed_today=counts[State.FAILED][0],
        for_operator=Payout.objects.needing_an_operator().count(),
    )
