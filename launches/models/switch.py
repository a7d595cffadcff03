"""Changes of launch switches that are to be reported to the launch system."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class SwitchChange(models.Model):
    """A change of a group's switch without its user: by a rating, a cancelling or a new binding.

    The row is deleted when the launch system has accepted the state that the switch has at that time. It is not a job, which
    keeps its result: a second change of the switch replaces the first one, and the report contains the present state.
    """

    id = models.BigAutoField(primary_key=True)
    group_code = models.CharField(_("群编号"), max_length=128, unique=True)
    changed_at = models.DateTimeField(_("变更时间"))
    next_attempt_at = models.DateTimeField(_("下次通知"))
    attempts = models.PositiveSmallIntegerField(_("通知次数"), default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("待通知的投放开关"), pgettext_lazy("plural", "待通知的投放开关")
        ordering = ["id"]
        indexes = [models.Index(fields=["next_attempt_at", "id"], name="switch_changes_due")]

    def __str__(self) -> str:
        return self.group_code
