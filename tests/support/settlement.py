"""Helpers for tests of the nightly settlement: settling yesterday, and a user's income."""

from datetime import date, datetime, timedelta
from typing import Any

import time_machine
from django.utils import timezone

from accounts.models import User
from earnings.models import EarningsRules, LedgerEntry
from earnings.settlement import settle_day
from groups import stars
from groups.models import Group
from tests.factories.people import GroupFactory


def yesterday() -> date:
    return timezone.localdate() - timedelta(days=1)


def settle_yesterday() -> None:
    settle_day(yesterday(), at=timezone.now())


def income(user: User) -> dict[int, str]:
    """Return the user's yuan by income type."""
    return {entry.income_type: str(entry.amount) for entry in LedgerEntry.objects.filter(account__user=user)}


def start_settlement(back: int) -> None:
    """Set the first day of the nightly settlement, as a number of days ago."""
    EarningsRules.objects.update(settle_from=timezone.localdate() - timedelta(days=back))


def legacy(**fields: Any) -> Group:
    """Return an old group that earns."""
    return GroupFactory(is_legacy=True, member_count=50, repeat_rate="0.1", **fields)


def rate(group: Group, star: int, *, at: datetime) -> None:
    with time_machine.travel(at, tick=False):
        stars.rate([stars.Rating(group.code, star, 1)], at=timezone.now())
