"""Telling the launch system how each delivery ended, until it has accepted that."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from config.platform.sweeps import sweep
from integrations.http import OutsideError, Refused
from integrations.launch_system import RESULTS_AT_ONCE, LaunchSystem
from launches.models import Delivery

BATCH = 200
LEASE = timedelta(minutes=3)  # longer than a batch of calls that all time out
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=10), timedelta(hours=1)

_LOCK = "SELECT id FROM launches_delivery WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"
# One that ended in another way while it was told of is told anew, and at once.
_RECORD = """
UPDATE launches_delivery d
SET result_due_at = CASE WHEN (d.status = 1) <> told.is_sent THEN %(at)s WHEN NOT told.is_accepted THEN told.again_at END,
    reported_at = CASE WHEN told.is_accepted THEN %(at)s ELSE d.reported_at END,
    result_sent = CASE WHEN told.is_accepted THEN told.is_sent ELSE d.result_sent END,
    result_try_count = least(d.result_try_count + 1, 1000)
FROM unnest(%(ids)s::bigint[], %(sent)s::bool[], %(accepted)s::bool[], %(again)s::timestamptz[])
    AS told(id, is_sent, is_accepted, again_at)
WHERE d.id = told.id
"""


class ReportOutcome(Enum):
    """What came of telling one result."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NONE = "none"  # it is away, or did not say


@sweep
def report_due_results(system: LaunchSystem | None = None) -> int:
    """Report what is due, and return how many results were accepted; the rest waits when the launch system is away.

    It begins with a few: whether the launch system answers shows after one call's time.
    """
    system, count, most = system or LaunchSystem.from_settings(), 0, RESULTS_AT_ONCE
    with ThreadPoolExecutor(RESULTS_AT_ONCE) as pool:
        while batch := _lease_batch(timezone.now(), most):
            answers = list(pool.map(lambda delivery: _report(system, delivery), batch))
            _record(batch, answers, timezone.now())
            count += answers.count(ReportOutcome.ACCEPTED)
            if set(answers) == {ReportOutcome.NONE}:
                break
            most = BATCH
    return count


def _lease_batch(at: datetime, most: int) -> list[Delivery]:
    """Take the next results in hand; a killed worker's come up again by themselves."""
    due = Delivery.objects.filter(result_due_at__lte=at).order_by("result_due_at", "pk")
    with transaction.atomic():
        batch = list(due.select_for_update(skip_locked=True, of=("self",)).select_related("launch")[:most])
        Delivery.objects.filter(pk__in=[one.pk for one in batch]).update(result_due_at=at + LEASE)
    return batch


def _report(system: LaunchSystem, delivery: Delivery) -> ReportOutcome:
    """It knows two results only: what was skipped was not sent."""
    is_sent = delivery.status == Delivery.Status.SENT
    try:
        system.report(launch=delivery.launch.task_id, group=delivery.reference, sent=is_sent)
    except Refused:
        return ReportOutcome.REFUSED
    except OutsideError:
        return ReportOutcome.NONE
    return ReportOutcome.ACCEPTED


def _record(batch: Sequence[Delivery], answers: Sequence[ReportOutcome], at: datetime) -> None:
    """Write down what was accepted, and when to try the others."""
    words: dict[str, Any] = {
        "at": at,
        "ids": [delivery.pk for delivery in batch],
        "sent": [delivery.status == Delivery.Status.SENT for delivery in batch],
        "accepted": [answer == ReportOutcome.ACCEPTED for answer in answers],
        "again": [at + retry_delay(delivery.result_try_count) for delivery in batch],
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOCK, words)
        cursor.execute(_RECORD, words)


def retry_delay(try_count: int) -> timedelta:
    """Return how long to wait after so many vain tries."""
    return min(FIRST_DELAY * 2 ** min(try_count, 12), LONGEST_DELAY)
