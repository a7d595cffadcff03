"""Joins and leaves of members, and daily statistics of groups."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from groups.models.group import Group


class MemberMove(models.Model):
    """A joining or leaving of a member; daily statistics count it, and it is deleted after a week."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="moves")
    member_code = models.CharField(max_length=128)
    is_joining = models.BooleanField()
    moved_at = models.DateTimeField()

    class Meta:
        verbose_name, verbose_name_plural = _("进退群记录"), pgettext_lazy("plural", "进退群记录")
        ordering = ["-id"]
        indexes = [models.Index(fields=["moved_at"], name="moves_by_moment")]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "member_code", "moved_at", "is_joining"], name="move_is_counted_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.member_code} {'+' if self.is_joining else '-'}"


class GroupStatistics(models.Model):
    """The statistics of a group on one day."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="statistics", verbose_name=_("群"))
    day = models.DateField(_("日期"))
    member_count = models.PositiveIntegerField(_("成员数"))
    joined_count = models.PositiveIntegerField(_("进群人数"), default=0)
    left_count = models.PositiveIntegerField(_("退群人数"), default=0)
    speaker_count = models.PositiveIntegerField(_("发言人数"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("群数据"), pgettext_lazy("plural", "群数据")
        ordering = ["-day", "id"]
        indexes = [models.Index(fields=["-day", "id"], name="statistics_newest_first")]
        constraints = [
            models.UniqueConstraint(fields=["group", "day"], name="one_row_of_statistics_per_group_and_day"),
            models.CheckConstraint(condition=Q(speaker_count__gte=0), name="statistics_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.day}"
