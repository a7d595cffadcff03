"""Reporting of the results of deliveries to the launch system, each repeated until it is accepted."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import Enum

from django.db import transaction
from django.utils import timezone

from config.platform import db
from config.platform.sweeps import sweep
from integrations.http import OutsideError, Refused
from integrations.launch_system import RESULTS_AT_ONCE, LaunchSystem
from launches.models import Delivery

BATCH = 200
LEASE = timedelta(minutes=3)  # longer than a batch of calls that all time out
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=10), timedelta(hours=1)

_LOCK = "SELECT id FROM launches_delivery WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"
# A delivery whose result changed while it was reported is due again at once.
_RECORD = """
UPDATE launches_delivery d
SET result_due_at = CASE
        WHEN (d.status = %(delivery_sent)s) <> reported.is_sent THEN %(at)s
        WHEN NOT reported.is_accepted THEN reported.again_at END,
    reported_at = CASE WHEN reported.is_accepted THEN %(at)s ELSE d.reported_at END,
    result_sent = CASE WHEN reported.is_accepted THEN reported.is_sent ELSE d.result_sent END,
    result_try_count = least(d.result_try_count + 1, 1000)
FROM unnest(%(ids)s::bigint[], %(sent)s::bool[], %(accepted)s::bool[], %(again)s::timestamptz[])
    AS reported(id, is_sent, is_accepted, again_at)
WHERE d.id = reported.id
"""


class ReportOutcome(Enum):
    """The outcome of reporting one result."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NONE = "none"  # the launch system is unavailable, or its answer was lost


@sweep
def report_due_results(system: LaunchSystem | None = None) -> int:
    """Report results that are due, until none is left or the launch system is unavailable. Returns how many it accepted.

    The first batch is small, so that an unavailable launch system costs the time of one call.
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
    """Lease the next results that are due. Those of a killed worker are due again when the lease ends."""
    due = Delivery.objects.filter(result_due_at__lte=at).order_by("result_due_at", "pk")
    with transaction.atomic():
        batch = list(due.select_for_update(skip_locked=True, of=("self",)).select_related("launch")[:most])
        Delivery.objects.filter(pk__in=[delivery.pk for delivery in batch]).update(result_due_at=at + LEASE)
    return batch


def _report(system: LaunchSystem, delivery: Delivery) -> ReportOutcome:
    """Report one result. The launch system knows two results only, so a skipped delivery is reported as not sent."""
    is_sent = delivery.status == Delivery.Status.SENT
    try:
        system.report(launch=delivery.launch.task_id, group=delivery.reference, sent=is_sent)
    except Refused:
        return ReportOutcome.REFUSED
    except OutsideError:
        return ReportOutcome.NONE
    return ReportOutcome.ACCEPTED


def _record(batch: Sequence[Delivery], answers: Sequence[ReportOutcome], at: datetime) -> None:
    """Record which results were accepted, and when the others are due again."""
    params = {
        "delivery_sent": Delivery.Status.SENT,
        "at": at,
        "ids": [delivery.pk for delivery in batch],
        "sent": [delivery.status == Delivery.Status.SENT for delivery in batch],
        "accepted": [answer == ReportOutcome.ACCEPTED for answer in answers],
        "again": [at + retry_delay(delivery.result_try_count) for delivery in batch],
    }
    with transaction.atomic():
        db.execute(_LOCK, params)
        db.execute(_RECORD, params)


def retry_delay(try_count: int) -> timedelta:
    """Return how long to wait after this many failed attempts."""
    doublings: int = 2 ** min(try_count, 12)
    return min(FIRST_DELAY * doublings, LONGEST_DELAY)
