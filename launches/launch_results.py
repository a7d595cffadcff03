"""Reporting of the results of deliveries to the launch system, each repeated until it is accepted."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from config.platform import db
from config.platform.queues import Backoff, JobStatus
from config.platform.sweeps import sweep
from integrations.http import OutsideError, Refused
from integrations.launch_system import RESULTS_AT_ONCE, LaunchSystem
from launches.models import Delivery, ResultReport

BATCH = 200
LEASE = timedelta(minutes=3)  # longer than a batch of calls that all time out
BACKOFF = Backoff.doubling(timedelta(seconds=10), timedelta(hours=1))  # without an end

_LOCK = "SELECT id FROM launches_delivery WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE"
# A delivery whose result changed while it was reported is due again at once.
_RECORD = """
UPDATE launches_resultreport r
SET status = CASE WHEN is_over THEN %(job_done)s ELSE %(job_waiting)s END,
    finished_at = CASE WHEN is_over THEN %(at)s::timestamptz END,
    leased_until = NULL,
    next_attempt_at = CASE WHEN has_changed THEN %(at)s ELSE again_at END,
    reported_at = CASE WHEN is_accepted THEN %(at)s ELSE r.reported_at END,
    is_sent = CASE WHEN is_accepted THEN t.is_sent ELSE r.is_sent END,
    last_error = CASE WHEN is_accepted THEN '' ELSE left(t.error, 200) END
FROM (
    SELECT reported.*, has_changed, is_accepted AND NOT has_changed AS is_over
    FROM unnest(%(ids)s::bigint[], %(sent)s::bool[], %(accepted)s::bool[], %(again)s::timestamptz[], %(errors)s::text[])
        AS reported(id, is_sent, is_accepted, again_at, error)
    JOIN launches_delivery d USING (id)
    CROSS JOIN LATERAL (SELECT (d.status = %(delivery_sent)s) <> reported.is_sent AS has_changed) c
) t
WHERE r.delivery_id = t.id AND r.leased_until = %(lease)s
"""


class ReportOutcome(NamedTuple):
    """The outcome of reporting one result: no error when the launch system accepted it."""

    error: OutsideError | None = None

    @property
    def is_answered(self) -> bool:
        """Return False when the launch system is unavailable, or its answer was lost."""
        return self.error is None or isinstance(self.error, Refused)


@sweep
def report_due_results(system: LaunchSystem | None = None) -> int:
    """Report results that are due, until none is left or the launch system is unavailable. Returns how many it accepted.

    The first batch is small, so that an unavailable launch system costs the time of one call.
    """
    system, count, most = system or LaunchSystem.from_settings(), 0, RESULTS_AT_ONCE
    reports = ResultReport.objects.select_related("delivery__launch")
    with ThreadPoolExecutor(RESULTS_AT_ONCE) as pool:
        while batch := reports.claim(at=timezone.now(), lease=LEASE, backoff=BACKOFF, limit=most):
            outcomes = list(pool.map(lambda report: _report(system, report.delivery), batch))
            _record(batch, outcomes, timezone.now())
            count += sum(outcome.error is None for outcome in outcomes)
            if not any(outcome.is_answered for outcome in outcomes):
                break
            most = BATCH
    return count


def _report(system: LaunchSystem, delivery: Delivery) -> ReportOutcome:
    """Report one result. The launch system knows two results only, so a skipped delivery is reported as not sent."""
    is_sent = delivery.status == Delivery.Status.SENT
    try:
        system.report(launch=delivery.launch.task_id, group=delivery.reference, sent=is_sent)
    except OutsideError as error:
        return ReportOutcome(error)
    return ReportOutcome()


def _record(batch: Sequence[ResultReport], outcomes: Sequence[ReportOutcome], at: datetime) -> None:
    """Record which results were accepted, and when the others are due again. All reports of a batch have one lease."""
    params = {
        **db.enum_params(job=JobStatus),
        "delivery_sent": Delivery.Status.SENT,
        "at": at,
        "lease": batch[0].leased_until,
        "ids": [report.pk for report in batch],
        "sent": [report.delivery.status == Delivery.Status.SENT for report in batch],
        "accepted": [outcome.error is None for outcome in outcomes],
        "errors": [str(outcome.error or "") for outcome in outcomes],
        "again": [at + BACKOFF.delay_after(report.attempts) for report in batch],
    }
    with transaction.atomic():
        db.execute(_LOCK, params)
        db.execute(_RECORD, params)
