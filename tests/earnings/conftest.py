"""People that tests of money share, and withdrawals that are approved."""

import pytest
from django.utils import timezone

from accounts.models import User
from earnings import withdrawals
from earnings.models import Withdrawal
from tests.factories.money import ask, give
from tests.factories.people import UserFactory


@pytest.fixture
def family() -> tuple[User, User, User]:
    """(owner, master, grand-master)."""
    grand = UserFactory()
    master = UserFactory(inviter=grand)
    return UserFactory(inviter=master), master, grand


@pytest.fixture
def alice() -> User:
    user = UserFactory(phone="13800138000", open_id="open-alice", code="wx-alice")
    give(user, "100")
    return user


@pytest.fixture
def approved(alice, sandbox) -> Withdrawal:
    withdrawal = ask(alice)
    withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
    return withdrawal


@pytest.fixture
def three(sandbox) -> list[Withdrawal]:
    """Of three users, all waiting to be sent."""
    users = [UserFactory(phone=f"1370013700{n}") for n in range(3)]
    for user in users:
        give(user, "20")
    asked = [ask(user) for user in users]
    withdrawals.approve([one.pk for one in asked], by="root", at=timezone.now())
    return asked
