"""Model of the requests to erase a user."""

from typing import TypeAlias

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models.people import User
from config.platform.constraints import empty, filled
from config.platform.dates import shanghai_time


class ErasureRequestQuerySet(models.QuerySet["ErasureRequest"]):
    def waiting(self) -> "ErasureRequestQuerySet":
        """Return the requests that wait for the decision of a second operator."""
        return self.filter(status=ErasureRequest.Status.WAITING)


class ErasureStatus(models.IntegerChoices):
    WAITING = 0, _("待第二人确认")
    DONE = 1, _("已注销账号")
    REFUSED = 2, _("已拒绝")


class ErasureRequest(models.Model):
    """A request of one operator to erase a user. A second operator confirms it; any operator may refuse it."""

    Status: TypeAlias = ErasureStatus

    user = models.ForeignKey(User, models.PROTECT, related_name="erasure_requests", verbose_name=_("用户"))
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.WAITING)
    reason = models.CharField(_("原因"), max_length=200)
    gives_up_balance = models.BooleanField(_("放弃余额"), default=False)
    asked_at = models.DateTimeField(_("提交时间"))
    asked_by = models.CharField(_("提交人"), max_length=80)
    decided_at = models.DateTimeField(_("处理时间"), null=True, blank=True)
    decided_by = models.CharField(_("处理人"), max_length=80, blank=True)

    objects = ErasureRequestQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("注销申请"), pgettext_lazy("plural", "注销申请")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(asked_by=""), name="erasure_request_names_who_asked"),
            models.CheckConstraint(
                condition=Q(status=ErasureStatus.WAITING) & empty("decided_at", texts=["decided_by"])
                | Q(status__in=[ErasureStatus.DONE, ErasureStatus.REFUSED])
                & filled("decided_at", texts=["decided_by"]),
                name="erasure_request_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(status=ErasureStatus.DONE) | ~Q(decided_by=F("asked_by")),
                name="erasure_is_of_two_people",
            ),
            models.UniqueConstraint(
                fields=["user"], condition=Q(status=ErasureStatus.WAITING), name="one_waiting_erasure_per_user"
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="erasure_requests_by_status"),
            # the back office: the requests of a few days
            BrinIndex(
                fields=["asked_at"], name="erasure_requests_by_moment", pages_per_range=32, autosummarize=True
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_status_display()} {shanghai_time(self.asked_at)}"
