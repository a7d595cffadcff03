"""Jobs that cancel many groups."""

import uuid

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.queues import Job, JobStatus
from groups.models.group import CancelReason


class CancelJob(Job):
    """Groups to cancel, batch by batch. `position` counts the references processed, so a killed worker loses nothing."""

    worker_task = "groups.tasks.run_cancel_jobs"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    references = models.JSONField(_("群"))  # ids or codes
    reason = models.SmallIntegerField(_("注销原因"), choices=CancelReason.choices)
    asked_at = models.DateTimeField(_("提交时间"))
    asked_by = models.CharField(_("提交人"), max_length=80)
    position = models.PositiveIntegerField(_("已处理"), default=0)
    cancelled_count = models.PositiveIntegerField(_("已注销"), default=0)

    class Meta(Job.Meta):
        verbose_name, verbose_name_plural = _("批量注销"), pgettext_lazy("plural", "批量注销")
        permissions = [("retry_canceljob", "重试批量注销")]
        ordering = ["-asked_at", "id"]
        constraints = [
            *Job.Meta.constraints,
            models.CheckConstraint(condition=~Q(asked_by=""), name="cancel_job_has_somebody_who_asked"),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at", "id"], condition=Q(finished_at__isnull=True), name="cancel_jobs_due"
            ),
            # the back office: all jobs, those of a status (most are done), and what was finished lately
            models.Index(fields=["-asked_at", "id"], name="cancel_jobs_newest_first"),
            models.Index(
                fields=["status", "-asked_at", "id"],
                condition=~Q(status=JobStatus.DONE),
                name="cancel_jobs_not_done",
            ),
            models.Index(fields=["reason", "-asked_at", "id"], name="cancel_jobs_by_reason"),
            BrinIndex(fields=["finished_at"], name="cancel_jobs_by_finish", pages_per_range=32, autosummarize=True),
        ]

    def __str__(self) -> str:
        values = {"done": self.position, "count": len(self.references)}
        return gettext("已处理 %(done)s/%(count)s 个群") % values
