"""The app config of `config`. It registers the system checks and the signal receivers."""

import gc
from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConfigAppConfig(AppConfig):
    name = "config"
    verbose_name = _("平台")

    def ready(self) -> None:
        import_module("config.checks")
        import_module("config.backoffice.receivers")
        import_module("config.backoffice.sessions")
        # Modules and classes stay for ever. Their scans take a fifth of a start, and as much at the end of a process.
        gc.freeze()
        gc.enable()
