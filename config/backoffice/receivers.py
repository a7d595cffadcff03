"""What `migrate` ends with: the roles have their permissions, every table has its audit trigger."""

from django.apps import apps
from django.db.models.signals import post_migrate

from config.backoffice import roles
from config.platform import audit

*_others, last = apps.get_app_configs()  # when it is migrated, everything is
post_migrate.connect(roles.make, sender=last)
post_migrate.connect(audit.install, sender=last)
