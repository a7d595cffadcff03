"""The app config of Django's admin with our own site."""

from importlib import import_module

from django.contrib.admin.apps import AdminConfig


class OperatorAdminConfig(AdminConfig):
    default_site = "config.backoffice.site.OperatorAdminSite"

    def ready(self) -> None:
        super().ready()
        import_module("config.backoffice.translations").translate_labels()
