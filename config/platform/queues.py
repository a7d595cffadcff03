"""Queues: tables of jobs, which workers claim, attempt, and finish or retry.

1. `claim` leases jobs that are due and commits, so no lock is held during a call to an outside system. It counts the
   attempt: a job that kills every process that attempts it fails too, instead of being attempted for ever.
2. The worker does the job's work, and calls `finish`, `retry` or `fail`. Each changes the job only while its lease is the one
   under which the worker claimed it, so a worker that lost its lease changes nothing.
3. The job of a killed worker is due again when its lease has ended. Leases use PostgreSQL's clock, which all workers share.

A job is open while `finished_at` is empty. A FAILED job is finished and delays no other; an operator has it retried
(`reopen`) or closes it (`close`).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar, cast

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import empty, filled, filled_exactly_when
from config.platform.wakeups import start_soon

MAX_ERROR = 200  # characters of an error that are stored
INTERRUPTED = "处理时进程被中断"
_FREE = Q(leased_until=None) | Q(leased_until__lte=Now())


class JobStatus(models.IntegerChoices):
    """The statuses of every queue, under these numbers. A queue may have others, in which its jobs are finished."""

    WAITING = 0, _("待处理")
    DONE = 1, _("已完成")
    FAILED = 2, _("失败")  # after the last attempt: needs an operator
    CLOSED = 3, _("已关闭")  # not to be done


@dataclass(frozen=True)
class Backoff:
    """The delays after failed attempts, and the number of attempts (None: no limit). The last delay repeats."""

    delays: tuple[timedelta, ...]
    max_attempts: int | None = None
    jitter: float = 0.0  # 0.2 spreads a delay by ±20 %, so that retries do not come at once

    @classmethod
    def doubling(cls, first: timedelta, longest: timedelta, *, max_attempts: int | None = None) -> "Backoff":
        """Return a back-off whose delay doubles after each attempt, up to the longest."""
        delays = [first]
        while delays[-1] < longest:
            delays.append(min(delays[-1] * 2, longest))
        return cls(tuple(delays), max_attempts)

    def delay_after(self, attempts: int) -> timedelta:
        """Return how long to wait after this many attempts."""
        delay = self.delays[min(attempts, len(self.delays)) - 1]
        return delay * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311

    def is_exhausted(self, attempts: int) -> bool:
        """Return whether no attempt is left after this many."""
        return self.max_attempts is not None and attempts >= self.max_attempts


JobT = TypeVar("JobT", bound="Job")


class JobQuerySet(models.QuerySet[JobT]):
    def open(self) -> "JobQuerySet[JobT]":
        """Return the jobs that are not finished."""
        return self.filter(finished_at=None)

    def failed(self) -> "JobQuerySet[JobT]":
        """Return the jobs that need an operator."""
        return self.filter(status=JobStatus.FAILED)

    def interrupted(self) -> "JobQuerySet[JobT]":
        """Return the open jobs whose lease has ended: their workers were killed, or took too long."""
        return self.open().filter(leased_until__lte=Now())

    def due(self, at: datetime) -> "JobQuerySet[JobT]":
        """Return the jobs that may be attempted now: of each ordering key the first open one, if it is due and free."""
        due = self.open().filter(_FREE, next_attempt_at__lte=at)
        key = self.model.ordering_field
        if key is None:
            return due
        earlier = self.model._base_manager.filter(finished_at=None, pk__lt=OuterRef("pk"), **{key: OuterRef(key)})
        return due.filter(~Exists(earlier))

    def claim(self, *, at: datetime, lease: timedelta, backoff: Backoff, limit: int = 1) -> list[JobT]:
        """Lease up to `limit` of these jobs that are due, the longest due first, and count the attempt.

        A job whose last attempt was interrupted has no attempt left, and fails.
        """
        with transaction.atomic():
            free = self.due(at).select_for_update(skip_locked=True, of=("self",)).annotate(leased_at=Now())
            jobs = cast("list[JobT]", list(free.order_by("next_attempt_at", "pk")[:limit]))
            exhausted = [job for job in jobs if backoff.is_exhausted(job.attempts)]
            claimed = [job for job in jobs if not backoff.is_exhausted(job.attempts)]
            if exhausted:
                self._rows(exhausted).update(**_finished(JobStatus.FAILED, at, INTERRUPTED))
            if claimed:
                self._lease(claimed, until=vars(claimed[0])["leased_at"] + lease)
        if exhausted and not claimed:
            return self.claim(at=at, lease=lease, backoff=backoff, limit=limit)
        return claimed

    def leased(self, job: JobT) -> "JobQuerySet[JobT]":
        """Return the claimed job among these jobs; none when its lease was lost."""
        return self.filter(pk=job.pk, leased_until=job.leased_until, finished_at=None)

    def renew(self, job: JobT, lease: timedelta) -> bool:
        """Extend the lease of a claimed job that takes long. Returns False when it was lost."""
        if not self.leased(job).update(leased_until=Now() + lease):
            return False
        job.refresh_from_db(fields=["leased_until"])
        return True

    def finish(self, job: JobT, *, at: datetime, status: int = JobStatus.DONE, error: str = "") -> bool:
        """Finish a claimed job in this status. Returns False when its lease was lost."""
        return self._end_lease(job, **_finished(status, at, error))

    def fail(self, job: JobT, *, at: datetime, error: str) -> bool:
        """Leave a claimed job to an operator. Returns False when its lease was lost."""
        return self.finish(job, at=at, status=JobStatus.FAILED, error=error)

    def retry(self, job: JobT, backoff: Backoff, *, at: datetime, error: str) -> bool:
        """Have a claimed job attempted again later, or fail it after its last attempt. Returns False when its lease was lost."""
        if backoff.is_exhausted(job.attempts):
            return self.fail(job, at=at, error=error)
        next_attempt_at = at + backoff.delay_after(job.attempts)
        return self._end_lease(job, next_attempt_at=next_attempt_at, last_error=error[:MAX_ERROR])

    def finish_all(self, *, at: datetime, status: int = JobStatus.DONE, error: str = "") -> int:
        """Finish these jobs, claimed or not, in this status. Returns the number of those that were open."""
        return self.open().update(**_finished(status, at, error))

    def reopen(self, *, at: datetime) -> int:
        """Have those of these jobs that failed attempted again, as if for the first time. Returns their number."""
        waiting = {"status": JobStatus.WAITING, "next_attempt_at": at, "finished_at": None}
        with transaction.atomic():
            reopened = self.failed().update(**waiting, attempts=0, last_error="")
            if reopened:
                start_soon(self.model.worker_task)
        return reopened

    def close(self, *, at: datetime, reason: str) -> int:
        """Close those of these jobs that failed, or that wait under no lease. Returns their number."""
        closable = self.filter(Q(finished_at=None) & _FREE | Q(status=JobStatus.FAILED))
        return closable.update(**_finished(JobStatus.CLOSED, at, reason))

    def _rows(self, jobs: Sequence[JobT]) -> "models.QuerySet[JobT]":
        return self.model._base_manager.filter(pk__in=[job.pk for job in jobs])

    def _lease(self, jobs: Sequence[JobT], *, until: datetime) -> None:
        self._rows(jobs).update(leased_until=until, attempts=F("attempts") + 1)
        for job in jobs:
            job.leased_until, job.attempts = until, job.attempts + 1

    def _end_lease(self, job: JobT, **changes: Any) -> bool:
        return bool(self.leased(job).update(**{"leased_until": None, **changes}))


def _finished(status: int, at: datetime, error: str) -> dict[str, Any]:
    return {"status": status, "finished_at": at, "leased_until": None, "last_error": error[:MAX_ERROR]}


class Job(models.Model):
    """A row of work. A queue may give `status` other labels.

    A queue that names an `ordering_field` attempts the jobs with one value of it one at a time, in the order of their ids.
    """

    ordering_field: ClassVar[str | None] = None
    worker_task: ClassVar[str]  # the Celery task that attempts the jobs

    status = models.SmallIntegerField(_("状态"), choices=JobStatus.choices, default=JobStatus.WAITING)
    attempts = models.PositiveSmallIntegerField(_("尝试次数"), default=0)
    next_attempt_at = models.DateTimeField(_("下次尝试"))
    leased_until = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)
    last_error = models.CharField(_("原因"), max_length=MAX_ERROR, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=filled_exactly_when(~Q(status=JobStatus.WAITING), "finished_at"),
                name="%(class)s_is_finished_unless_waiting",
            ),
            models.CheckConstraint(
                condition=empty("leased_until") | empty("finished_at"), name="%(class)s_is_leased_while_open"
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[JobStatus.FAILED, JobStatus.CLOSED]) | filled(texts=["last_error"]),
                name="%(class)s_without_success_has_an_error",
            ),
        ]
