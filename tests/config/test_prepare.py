"""`manage.py prepare`, which `up` runs before anything else."""

import pytest
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder

pytestmark = pytest.mark.django_db


def test_a_local_database_of_another_version_is_refused_with_the_way_out():
    MigrationRecorder.Migration.objects.create(app="robots", name="0010_replaced_robots")
    with pytest.raises(CommandError, match=r"robots\.0010_replaced_robots.*Remove this directory"):
        call_command("prepare")


def test_migrations_of_packages_that_are_gone_do_not_matter():
    MigrationRecorder.Migration.objects.create(app="gone_package", name="0001_initial")
    call_command("prepare")
