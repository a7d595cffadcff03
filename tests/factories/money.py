"""Money on accounts, posted by the product's own functions."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.utils import timezone

from accounts.models import User
from config.platform.dates import day_of
from earnings import ledger, withdrawals
from earnings.ledger import Posting
from earnings.models import Account, IncomeType, TransactionKind, Withdrawal
from groups.models import Group, StarPlan
from tests.factories.people import GroupFactory, UserFactory
from tests.support.triggers import without_trigger


def credit(
    user: User, yuan: str, *, at: datetime | None = None, income_type: IncomeType = IncomeType.GROUPS
) -> None:
    """Post income to the account of this user."""
    at = at or timezone.now()
    postings = [
        Posting(ledger.account_of(user), Decimal(yuan), income_type=income_type),
        Posting(ledger.platform_account(Account.Kind.REWARDS), -Decimal(yuan)),
    ]
    ledger.post(
        kind=TransactionKind.SETTLEMENT, idempotency_key=f"test:{uuid4()}", day=day_of(at), at=at, postings=postings
    )


def requested_withdrawal(user: User, yuan: str = "20", *, days_ago: int = 0) -> Withdrawal:
    """Return a withdrawal that this user requested this many days ago."""
    at = timezone.now() - timedelta(days=days_ago)
    return withdrawals.request_withdrawal(user=user, amount=Decimal(yuan), at=at)


def withdrawal_of_new_user(yuan: str = "20", *, days_ago: int = 0, **fields: Any) -> Withdrawal:
    """Return the withdrawal of all money of a new user with these fields."""
    user = UserFactory(**{"phone": f"138{User.objects.count():08}", **fields})
    credit(user, yuan)
    return requested_withdrawal(user, yuan, days_ago=days_ago)


def rated_group(star: int, **fields: Any) -> Group:
    """Return a group with this star."""
    return GroupFactory(star=star, launch_switch=star < 4, **fields)


def available_and_withdrawing(user: User) -> tuple[str, str]:
    """Return the amounts (available, withdrawing) of this user's account."""
    account = Account.objects.get(user=user)
    return str(account.available), str(account.withdrawing)


def change_plans_in_force(star: int | None = None, **fields: Any) -> None:
    """Change the plans in force, of one star or of all. A trigger refuses such changes outside tests."""
    in_force = StarPlan.objects.filter(valid_from__lte=timezone.localdate())
    plans = in_force.filter(star=star) if star else in_force
    with without_trigger("groups.StarPlan:in_force_stays"):
        plans.update(**fields)
