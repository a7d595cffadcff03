"""Receivers of signals from the apps below earnings."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import user_erased, users_blocked
from earnings import erasing, withdrawals
from earnings.payouts import blocked_users


@receiver(user_erased)
def forget_receivers(*, user: User, gives_up_balance: bool, **_: Any) -> None:
    erasing.require_nothing_under_way(user, gives_up_balance=gives_up_balance)
    erasing.erase_receivers_of(user)


@receiver(users_blocked)
def reject_withdrawals(*, users: Sequence[User], by: str, at: datetime, reason: str, **_: Any) -> None:
    withdrawals.lock_unpaid_of(users)
    for user in users:
        blocked_users.reject_unpaid_of(user, by=by, reason="账号已被封", at=at)
        blocked_users.cancel_unpaid_of(user, at=at)
