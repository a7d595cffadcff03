"""The app's configuration, which loads every app's handlers of private messages."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule
from django.utils.translation import gettext_lazy as _


class RobotsConfig(AppConfig):
    name = "robots"
    verbose_name = _("机器人")

    def ready(self) -> None:
        for config in apps.get_app_configs():
            if config.name != "robots" and config.module and module_has_submodule(config.module, "menu"):
                import_module(f"{config.name}.menu")
