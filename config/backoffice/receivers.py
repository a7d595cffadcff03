"""Receivers that run at the end of `migrate`: they update the roles' permissions and the audit triggers."""

from django.apps import apps
from django.db.models.signals import post_migrate

from config.backoffice import roles
from config.platform import audit

*_others, last = apps.get_app_configs()  # its signal comes after all apps are migrated
post_migrate.connect(roles.make, sender=last)
post_migrate.connect(audit.install, sender=last)
