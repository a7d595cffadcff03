"""Model of opened red packets."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from config.platform.dates import shanghai_time


class RedPacketOpening(models.Model):
    """A record that a user has opened the red packet. The ledger has the moment and amount of its payment."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+", verbose_name=_("用户")
    )
    opened_at = models.DateTimeField(_("拆开时间"))

    class Meta:
        verbose_name, verbose_name_plural = _("已拆红包"), pgettext_lazy("plural", "已拆红包")
        ordering = ["user"]

    def __str__(self) -> str:
        return shanghai_time(self.opened_at)
