"""The app's configuration, which loads every app's handlers of gateway events."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule
from django.utils.translation import gettext_lazy as _


class IntegrationsConfig(AppConfig):
    name = "integrations"
    verbose_name = _("外部系统")

    def ready(self) -> None:
        # In the order of INSTALLED_APPS: the handlers of robots run before those of groups.
        for config in apps.get_app_configs():
            if (
                config.name != "integrations"
                and config.module
                and module_has_submodule(config.module, "subscribers")
            ):
                import_module(f"{config.name}.subscribers")
