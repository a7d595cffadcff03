"""The number of days that were paid for a group."""

from django.db import models
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from groups.models.group import Group


class PaidDays(models.Model):
    """The number of days with a star that were paid for a group. A group without a row has no paid days.

    The settlement counts a day of all groups at once. In `groups_group`, whose pages are full, that took 10 times as long.
    """

    group = models.OneToOneField(
        Group, models.CASCADE, primary_key=True, related_name="paid_days", verbose_name=_("群")
    )
    day_count = models.PositiveIntegerField(_("已结算天数"))

    class Meta:
        verbose_name, verbose_name_plural = _("已结算天数"), pgettext_lazy("plural", "已结算天数")
        ordering = ["group_id"]

    def __str__(self) -> str:
        return gettext("%s 天") % self.day_count
