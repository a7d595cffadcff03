"""Cancel jobs: many groups, accepted at once, cancelled in batches, resumed after a kill."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import F, JSONField
from django.db.models.expressions import RawSQL
from django.utils import timezone

from config.platform.logging import masked
from config.platform.lookups import as_uuid
from config.platform.queues import Backoff, JobQuerySet
from config.platform.wakeups import start_soon
from groups import cancelling
from groups.models import CancelJob, CancelReason, Group
from integrations.http import storable

logger = logging.getLogger(__name__)

BATCH = 500
LEASE = timedelta(minutes=1)  # longer than a batch takes
BACKOFF = Backoff(tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60)), max_attempts=10)
# Only the batch leaves the database, however long the job is.
_NEXT = RawSQL(
    """jsonb_path_query_array("references", '$[$from to $to]', jsonb_build_object('from', position, 'to', position + %s))""",
    [BATCH - 1],
    output_field=JSONField(),
)


def request_cancelling(*, references: Sequence[str], reason: CancelReason, by: str, at: datetime) -> CancelJob:
    """Create a job that cancels these groups (ids or codes). It skips unknown and cancelled groups."""
    with transaction.atomic():
        start_soon(CancelJob.worker_task)
        distinct = list(dict.fromkeys(references))
        job: CancelJob = CancelJob.objects.create(
            references=distinct, reason=reason, asked_by=by, asked_at=at, next_attempt_at=at
        )
        return job


def claim_job(job_id: UUID, *, at: datetime) -> CancelJob | None:
    """Claim this job. Returns None when it is not due, is finished, or another process has it."""
    return next(iter(_jobs().filter(pk=job_id).claim(at=at, lease=LEASE, backoff=BACKOFF)), None)


def run_next_batch(job: CancelJob, *, at: datetime) -> int:
    """Cancel the next batch of a claimed job. Returns how many references it had, 0 when the job is done or its lease lost.

    The batch and the job's position are written in one transaction: a kill leaves both or neither. Attempts are counted
    from the last batch on.
    """
    if not CancelJob.objects.renew(job, LEASE):
        return 0
    with transaction.atomic():
        own = CancelJob.objects.leased(job)
        batch = own.select_for_update().values_list(_NEXT, flat=True).first()
        if batch is None:
            return 0
        ids = active_ids(batch)
        count = cancelling.cancel_groups(group_ids=ids, reason=CancelReason(job.reason), by=job.asked_by, at=at)
        job.attempts = 1
        own.update(
            position=F("position") + len(batch), cancelled_count=F("cancelled_count") + count, attempts=job.attempts
        )
        if len(batch) < BATCH:
            CancelJob.objects.finish(job, at=at)
        return len(batch)


def run_unfinished_jobs() -> int:
    """Run every job that is due. Returns how many references they had. A job that fails is tried again later."""
    count = 0
    while claimed := _jobs().claim(at=timezone.now(), lease=LEASE, backoff=BACKOFF):
        count += _run(claimed[0])
    return count


def _run(job: CancelJob) -> int:
    count = 0
    try:
        while done := run_next_batch(job, at=timezone.now()):
            count += done
    except DatabaseError as error:
        logger.exception("Cancel job %s failed and is tried again later", job.pk)
        CancelJob.objects.retry(job, BACKOFF, at=timezone.now(), error=storable(masked(str(error))))
    return count


def _jobs() -> JobQuerySet[CancelJob]:
    """Return the jobs without their references, of which there may be many thousands."""
    return CancelJob.objects.defer("references")


def active_ids(references: Sequence[str]) -> list[UUID]:
    """Return the ids of the active groups that these ids or codes name."""
    active = Group.objects.active()
    by_code = active.filter(code__in=references).values_list("pk", flat=True)
    uuids = [uuid for uuid in map(as_uuid, references) if uuid]
    return [*by_code, *active.filter(pk__in=uuids).values_list("pk", flat=True)]
