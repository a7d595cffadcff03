"""What the launch system is still to be told about groups' switches."""

from django.db import models


class SwitchChange(models.Model):
    """A group's switch changed without its user: by stars, by a cancelling, by binding it again.

    The row goes when the launch system has accepted the state that the switch has by then.
    """

    id = models.BigAutoField(primary_key=True)
    group_code = models.CharField("群编号", max_length=128, unique=True)
    changed_at = models.DateTimeField("变更时间")
    due_at = models.DateTimeField("下次通知")
    try_count = models.PositiveSmallIntegerField("通知次数", default=0)

    class Meta:
        verbose_name = verbose_name_plural = "待通知的投放开关"
        ordering = ["id"]
        indexes = [models.Index(fields=["due_at", "id"], name="switch_changes_due")]

    def __str__(self) -> str:
        return self.group_code
