"""The app's name for operators; its receivers are connected when Django is ready."""

from importlib import import_module

from django.apps import AppConfig


class FeedbackConfig(AppConfig):
    name = "feedback"
    verbose_name = "问题反馈"

    def ready(self) -> None:
        import_module("feedback.receivers")
