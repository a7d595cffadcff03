"""The app's name for operators; its receivers are connected when Django is ready."""

from importlib import import_module

from django.apps import AppConfig


class LaunchesConfig(AppConfig):
    name = "launches"
    verbose_name = "投放与群发"

    def ready(self) -> None:
        import_module("launches.receivers")
