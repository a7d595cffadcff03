"""The app's name for operators; its receivers are connected when Django is ready."""

from importlib import import_module

from django.apps import AppConfig


class GroupsConfig(AppConfig):
    name = "groups"
    verbose_name = "群"

    def ready(self) -> None:
        import_module("groups.receivers")
