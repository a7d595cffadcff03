"""The app's name for operators; its receivers are connected when Django is ready."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FeedbackConfig(AppConfig):
    name = "feedback"
    verbose_name = _("问题反馈")

    def ready(self) -> None:
        import_module("feedback.receivers")
