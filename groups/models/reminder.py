"""Reminders that users received to bring a group or an apprentice."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class Reminder(models.Model):
    """A reminder to bring a group or an apprentice; a user gets each at most once a day."""

    class Kind(models.IntegerChoices):
        GROUP = 1, _("导群")
        APPRENTICE = 2, _("收徒")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="reminders", verbose_name=_("用户")
    )
    kind = models.SmallIntegerField(_("类型"), choices=Kind.choices)
    day = models.DateField(_("日期"))

    class Meta:
        verbose_name, verbose_name_plural = _("唤醒记录"), pgettext_lazy("plural", "唤醒记录")
        ordering = ["-day", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "kind", "day"], name="reminded_once_a_day_for_each")]

    def __str__(self) -> str:
        return f"{self.day}"
