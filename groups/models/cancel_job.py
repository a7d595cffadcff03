"""Work on groups that is done in the background, or once a day."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from groups.models.group import CancelReason


class CancelJob(models.Model):
    """Groups to cancel, batch by batch; `position` is how far it has come, so a killed worker loses nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    references = models.JSONField("群")  # ids or codes
    reason = models.SmallIntegerField("注销原因", choices=CancelReason.choices)
    asked_at = models.DateTimeField("提交时间")
    asked_by = models.CharField("提交人", max_length=80)
    position = models.PositiveIntegerField("已处理", default=0)
    cancelled_count = models.PositiveIntegerField("已注销", default=0)
    done_at = models.DateTimeField("完成时间", null=True, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "批量注销"
        ordering = ["-asked_at", "id"]
        constraints = [models.CheckConstraint(condition=~Q(asked_by=""), name="cancel_job_has_somebody_who_asked")]
        indexes = [
            models.Index(fields=["asked_at"], condition=Q(done_at__isnull=True), name="cancel_jobs_under_way")
        ]

    def __str__(self) -> str:
        return f"{self.position}/{len(self.references)}"


class Awakening(models.Model):
    """A user was asked to bring a group or an apprentice; at most once a day each."""

    class Kind(models.IntegerChoices):
        GROUP = 1, "导群"
        APPRENTICE = 2, "收徒"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="awakenings", verbose_name="用户"
    )
    kind = models.SmallIntegerField("类型", choices=Kind.choices)
    day = models.DateField("日期")

    class Meta:
        verbose_name = verbose_name_plural = "唤醒记录"
        ordering = ["-day", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "kind", "day"], name="woken_once_a_day_for_each")]

    def __str__(self) -> str:
        return f"{self.day}"
