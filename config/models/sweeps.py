"""The leases of sweeps of which only one runs at a time in all processes."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class SweepLease(models.Model):
    """The lease of a running sweep (config.platform.sweeps). The row is deleted when the sweep ends."""

    name = models.CharField(max_length=64, primary_key=True)
    token = models.UUIDField()
    leased_until = models.DateTimeField()

    class Meta:
        verbose_name, verbose_name_plural = _("运行中的定时任务"), pgettext_lazy("plural", "运行中的定时任务")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
