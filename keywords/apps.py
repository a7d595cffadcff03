"""The app's name for operators; its receivers are connected when Django is ready."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KeywordsConfig(AppConfig):
    name = "keywords"
    verbose_name = _("关键字")

    def ready(self) -> None:
        import_module("keywords.receivers")
