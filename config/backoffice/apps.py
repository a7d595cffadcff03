"""The app config of Django's admin with our own site."""

from django.contrib.admin.apps import AdminConfig


class OperatorAdminConfig(AdminConfig):
    default_site = "config.backoffice.site.OperatorAdminSite"
