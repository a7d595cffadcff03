"""What earnings do when something happens below."""

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import user_blocked
from earnings import payouts, withdrawals


@receiver(user_blocked)
def reject_withdrawals(*, user: User, by: str, at: datetime, reason: str, **_: Any) -> None:
    withdrawals.reject_unpaid_of(user, by=by, reason=f"账号已被封:{reason}", at=at)
    payouts.cancel_unpaid_of(user, at=at)
