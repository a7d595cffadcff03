"""Fixtures of the tests of earnings: users and approved withdrawals."""

import pytest
from django.utils import timezone

from accounts.models import User
from earnings import withdrawals
from earnings.models import Withdrawal
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory


@pytest.fixture
def family() -> tuple[User, User, User]:
    """Return (owner, inviter, grand-inviter)."""
    grand_inviter = UserFactory()
    inviter = UserFactory(inviter=grand_inviter)
    return UserFactory(inviter=inviter), inviter, grand_inviter


@pytest.fixture
def alice() -> User:
    user = UserFactory(phone="13800138000", open_id="open-alice", code="wx-alice")
    credit(user, "100")
    return user


@pytest.fixture
def approved(alice, sandbox) -> Withdrawal:
    withdrawal = requested_withdrawal(alice)
    withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
    return withdrawal


@pytest.fixture
def three(sandbox) -> list[Withdrawal]:
    """Approved withdrawals of three users, not sent yet."""
    users = [UserFactory(phone=f"1370013700{n}") for n in range(3)]
    for user in users:
        credit(user, "20")
    asked = [requested_withdrawal(user) for user in users]
    withdrawals.approve([withdrawal.pk for withdrawal in asked], by="root", at=timezone.now())
    return asked
