"""Fixtures of the tests of the admin: two administrators, and an operator who has not signed in."""

import pytest

from accounts.models import User
from tests.support.admin_pages import Operator
from tests.support.admin_sign_in import PASSWORD


@pytest.fixture
def ann() -> Operator:
    return Operator("administrator", username="ann")


@pytest.fixture
def bob() -> Operator:
    return Operator("administrator", username="bob")


@pytest.fixture
def superuser() -> User:
    """Return root, who signs in with PASSWORD."""
    return User.objects.create_superuser("root", PASSWORD)
