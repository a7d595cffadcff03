"""The newcomer's red packet, as its user sees it."""

from django.conf import settings
from django.db import models

from config.platform.dates import shanghai_time


class RedPacketOpening(models.Model):
    """That a user has opened the red packet. The ledger says when it was paid, and how much it was."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+", verbose_name="用户"
    )
    opened_at = models.DateTimeField("拆开时间")

    class Meta:
        verbose_name = verbose_name_plural = "已拆红包"
        ordering = ["user"]

    def __str__(self) -> str:
        return shanghai_time(self.opened_at)
