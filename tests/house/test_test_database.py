"""The database of the tests is made anew when what it depends on changes, and is put back after each test that commits."""

from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission

from accounts.models import User
from earnings.models import LedgerEntry
from tests.factories.money import credit
from tests.factories.people import UserFactory
from tests.support.database import restore_rows
from tests.support.prepared import version_of


@pytest.mark.parametrize(
    "path", ["groups/migrations/0001_initial.py", "groups/models/member.py", "requirements.txt"]
)
def test_a_changed_migration_model_or_package_makes_a_new_data_directory(tmp_path: Path, path: str):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    versions = set()
    for content in ("a = 1", "a = 2", None):
        file.unlink() if content is None else file.write_text(content)
        versions.add(version_of(tmp_path))
    assert len(versions) == 3


def test_an_edited_view_keeps_the_data_directory(tmp_path: Path):
    view = tmp_path / "groups" / "views.py"
    view.parent.mkdir()
    before = version_of(tmp_path)
    view.write_text("a = 1")
    assert version_of(tmp_path) == before


@pytest.mark.django_db(transaction=True)
def test_what_a_test_committed_is_gone_afterwards_the_ledger_too():
    credit(UserFactory(), "5")
    assert LedgerEntry.objects.exists()
    restore_rows()
    assert not LedgerEntry.objects.exists()
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_what_migrations_wrote_is_put_back_when_a_test_changed_it():
    roles, permissions = set(Group.objects.values_list("pk", "name")), Permission.objects.count()
    assert roles
    assert permissions
    Group.objects.first().delete()
    Permission.objects.all().delete()
    restore_rows()
    assert set(Group.objects.values_list("pk", "name")) == roles
    assert Permission.objects.count() == permissions
