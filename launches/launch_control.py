"""Pausing, resuming and cancelling of launches by operators.

Each operation may be repeated, and is stored in rows, so that it survives restarts. A lock per launch keeps operators
apart; rows are locked in the order of senders: the outbox, deliveries, the launch.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db import transaction

from config.platform.locks import take_lock
from launches import deliveries
from launches.models import Launch
from robots.outbox import writing

Status = Launch.Status
UNFINISHED = (Status.RUNNING, Status.PAUSED)


def pause_launch(*, launch: Launch, by: str, at: datetime) -> bool:
    """Stop sending messages of the launch until it is resumed. Returns False when it is not running.

    A message that a sender has leased is finished as the gateway answers.
    """
    with _locked(launch, Status.RUNNING) as is_paused:
        if is_paused:
            writing.pause_messages(launch.source)
            is_paused = _change_status(launch, Status.RUNNING, status=Status.PAUSED, paused_at=at, paused_by=by)
    return is_paused


def resume_launch(*, launch: Launch, at: datetime) -> bool:
    """Continue a paused launch, without groups that were switched off in the meantime. Returns False when not paused."""
    with _locked(launch, Status.PAUSED) as is_paused:
        if is_paused:
            writing.resume_messages(launch.source)  # first, because it locks the messages that skipping closes
            deliveries.skip_switched_off_in_launch(launch, at=at)
            _change_status(launch, Status.PAUSED, status=Status.RUNNING, paused_at=None, paused_by="")
            deliveries.finish_launches(Launch.objects.filter(pk=launch.pk), at=at)
    return is_paused


def cancel_launch(*, launch: Launch, by: str, reason: str, at: datetime) -> bool:
    """Cancel a launch: waiting deliveries are skipped and reported as not sent. Returns False when it has ended."""
    with _locked(launch, *UNFINISHED) as is_cancelled:
        if is_cancelled:
            closed = writing.close_waiting(source=launch.source, reason=f"投放已取消：{reason}", at=at)
            # Closing the last waiting message has finished the launch in this transaction.
            expected = (*UNFINISHED, Status.FINISHED) if closed else UNFINISHED
            is_cancelled = _change_status(
                launch, *expected, status=Status.CANCELLED, cancelled_at=at, cancelled_by=by, cancel_reason=reason
            )
            deliveries.finish_launches(Launch.objects.filter(pk=launch.pk), at=at)
    return is_cancelled


@contextmanager
def lock_launches(ids: Iterable[UUID]) -> Iterator[list[Launch]]:
    """Open a transaction in which these launches are paused, resumed or cancelled one by one. Yields the launches.

    The launches and then all their unsent messages are locked first, each in one order: senders finish messages of several
    launches at once, in the order of their ids, and would deadlock with a transaction that locks launch by launch.
    """
    chosen = list(Launch.objects.filter(pk__in=list(ids)).order_by("pk"))
    with transaction.atomic():
        for launch in chosen:
            _lock(launch)
        writing.lock_unsent(launch.source for launch in chosen)
        yield chosen


@contextmanager
def _locked(launch: Launch, *expected: Status) -> Iterator[bool]:
    """Open a transaction that locks this launch against other operators. Yields whether it has an expected status."""
    with transaction.atomic():
        _lock(launch)
        yield Launch.objects.filter(pk=launch.pk, status__in=expected).exists()


def _lock(launch: Launch) -> None:
    take_lock("launches_launch", launch.pk)


def _change_status(launch: Launch, *expected: Status, **change: object) -> bool:
    return bool(Launch.objects.filter(pk=launch.pk, status__in=expected).update(**change))
