"""Django configuration of the earnings app, which connects its signal receivers."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EarningsConfig(AppConfig):
    name = "earnings"
    verbose_name = _("收益")

    def ready(self) -> None:
        import_module("earnings.receivers")
