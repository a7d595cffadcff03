"""An operator's hand on a launch: pause, resume, cancel. Each is harmless twice, and survives any restart as rows.

Operators take turns on a launch; rows are locked from the outbox to deliveries to the launch, as senders do it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from launches import deliveries
from launches.models import Launch
from robots.outbox import writing

Status = Launch.Status
UNFINISHED = (Status.RUNNING, Status.PAUSED)


def pause(*, launch: Launch, by: str, at: datetime) -> bool:
    """Send nothing more of it until it is resumed; what is in a sender's hands ends as it ends. False if not running."""
    with _locked(launch, Status.RUNNING) as its_turn:
        if its_turn:
            writing.pause(launch.cause)
            its_turn = _change_status(launch, Status.RUNNING, status=Status.PAUSED, paused_at=at, paused_by=by)
    return its_turn


def resume(*, launch: Launch, at: datetime) -> bool:
    """Go on where it stopped, past groups that switched launches off meanwhile; false if it is not paused."""
    with _locked(launch, Status.PAUSED) as its_turn:
        if its_turn:
            writing.resume(launch.cause)  # first: it locks all that skipping closes
            deliveries.skip_switched_off_in_launch(launch, at=at)
            _change_status(launch, Status.PAUSED, status=Status.RUNNING, paused_at=None, paused_by="")
            deliveries.finish_launches(Launch.objects.filter(pk=launch.pk), at=at)
    return its_turn


def cancel(*, launch: Launch, by: str, reason: str, at: datetime) -> bool:
    """End it: what waits is skipped and reported as not sent, what was sent stays. False if it is over already."""
    with _locked(launch, *UNFINISHED) as its_turn:
        if its_turn:
            closed = writing.close_waiting(cause=launch.cause, reason=f"投放已取消:{reason}", at=at)
            # closing the last message that waited has finished it just now
            was = (*UNFINISHED, Status.FINISHED) if closed else UNFINISHED
            its_turn = _change_status(
                launch, *was, status=Status.CANCELLED, cancelled_at=at, cancelled_by=by, cancel_reason=reason
            )
            deliveries.finish_launches(Launch.objects.filter(pk=launch.pk), at=at)
    return its_turn


@contextmanager
def lock_launches(ids: Iterable[UUID]) -> Iterator[list[Launch]]:
    """A transaction in which these launches are moved one by one.

    Their turns and then all their unsent messages are taken first, in one order: senders settle messages of several
    launches at once, in the order of their ids, and would wait in a circle with whoever goes launch by launch.
    """
    chosen = list(Launch.objects.filter(pk__in=list(ids)).order_by("pk"))
    with transaction.atomic():
        for launch in chosen:
            _lock(launch)
        writing.lock_unsent(causes=[launch.cause for launch in chosen])
        yield chosen


@contextmanager
def _locked(launch: Launch, *expected: Status) -> Iterator[bool]:
    """A transaction in which no other operator moves this launch; whether it is in one of the states expected."""
    with transaction.atomic():
        _lock(launch)
        yield Launch.objects.filter(pk=launch.pk, status__in=expected).exists()


def _lock(launch: Launch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('launches_launch'), hashtext(%s))", [str(launch.pk)])


def _change_status(launch: Launch, *expected: Status, **change: object) -> bool:
    return bool(Launch.objects.filter(pk=launch.pk, status__in=expected).update(**change))
