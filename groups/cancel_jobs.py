"""Cancel jobs: many groups, accepted at once, cancelled in batches, resumed after a kill."""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import F, JSONField
from django.db.models.expressions import RawSQL
from django.utils import timezone

from config.platform.lookups import as_uuid
from config.platform.wakeups import start_soon
from groups import cancelling
from groups.models import CancelJob, CancelReason, Group

logger = logging.getLogger(__name__)

BATCH = 500
# Only the batch leaves the database, however long the job is.
_NEXT = RawSQL(
    """jsonb_path_query_array("references", '$[$from to $to]', jsonb_build_object('from', position, 'to', position + %s))""",
    [BATCH - 1],
    output_field=JSONField(),
)
RUN_CANCEL_JOBS = "groups.tasks.run_cancel_jobs"


def request_cancelling(*, references: Sequence[str], reason: CancelReason, by: str, at: datetime) -> CancelJob:
    """Create a job that cancels these groups (ids or codes). It skips unknown and cancelled groups."""
    with transaction.atomic():
        start_soon(RUN_CANCEL_JOBS)
        distinct = list(dict.fromkeys(references))
        return CancelJob.objects.create(references=distinct, reason=reason, asked_by=by, asked_at=at)


def run_next_batch(job_id: UUID, *, at: datetime) -> int:
    """Cancel the next batch of a job. Returns how many references it had, 0 when the job is done or another process has it.

    The batch and the job's position are written in one transaction: a kill leaves both or neither.
    """
    with transaction.atomic():
        jobs = CancelJob.objects.select_for_update(skip_locked=True).defer("references").annotate(batch=_NEXT)
        job = jobs.filter(pk=job_id, done_at=None).first()
        if job is None:
            return 0
        ids = active_ids(job.batch)
        count = cancelling.cancel_groups(group_ids=ids, reason=CancelReason(job.reason), by=job.asked_by, at=at)
        is_last = len(job.batch) < BATCH
        CancelJob.objects.filter(pk=job.pk).update(
            position=F("position") + len(job.batch),
            cancelled_count=F("cancelled_count") + count,
            done_at=at if is_last else None,
        )
        return len(job.batch)


def run_unfinished_jobs() -> int:
    """Run every unfinished job. Returns how many references they had. A job that fails is left for the next run."""
    count = 0
    for job_id in CancelJob.objects.filter(done_at=None).order_by("asked_at").values_list("pk", flat=True):
        try:
            while done := run_next_batch(job_id, at=timezone.now()):
                count += done
        except DatabaseError:
            logger.exception("Cancel job %s failed and is tried again later", job_id)
    return count


def active_ids(references: Sequence[str]) -> list[UUID]:
    """Return the ids of the active groups that these ids or codes name."""
    active = Group.objects.active()
    by_code = active.filter(code__in=references).values_list("pk", flat=True)
    uuids = [uuid for uuid in map(as_uuid, references) if uuid]
    return [*by_code, *active.filter(pk__in=uuids).values_list("pk", flat=True)]
