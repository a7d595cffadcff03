"""What earnings do when something happens below."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import users_blocked
from earnings import payouts, withdrawals


@receiver(users_blocked)
def reject_withdrawals(*, users: Sequence[User], by: str, at: datetime, reason: str, **_: Any) -> None:
    withdrawals.lock_unpaid_of(users)
    for user in users:
        withdrawals.reject_unpaid_of(user, by=by, reason="账号已被封", at=at)
        payouts.cancel_unpaid_of(user, at=at)
