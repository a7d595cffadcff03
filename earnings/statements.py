"""Statements of a user's income and wallet, summed from the ledger entries of the account."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Sum

from accounts.models import User
from earnings.ledger import account_of
from earnings.models import Account, IncomeType, LedgerEntry, Payout
from earnings.withdrawals import has_withdrawn

STATEMENT_DAYS = 15


def _income(account: Account, first: date, last: date) -> dict[tuple[date, int], Decimal]:
    """Return the account's income as {(day, income type): yuan}."""
    rows = (
        LedgerEntry.objects.filter(account=account, income_type__isnull=False, day__range=(first, last))
        .order_by()
        .values_list("day", "income_type")
        .annotate(total=Sum("amount"))
    )
    return {(day, kind): total for day, kind, total in rows}


def summary(user: User, *, today: date) -> dict[str, Decimal]:
    """Return the available balance, the total income and yesterday's income, in yuan."""
    account = account_of(user)
    yesterday = today - timedelta(days=1)
    return {
        "amount": account.available,
        "balance": account.earned,
        "yesterday_balance": sum(_income(account, yesterday, yesterday).values(), Decimal(0)),
    }


def income_by_day(user: User, *, today: date) -> list[dict[str, Any]]:
    """Return the income of the last 15 days, today included, newest first, each with all five income types."""
    days = [today - timedelta(days=offset) for offset in range(STATEMENT_DAYS)]
    income = _income(account_of(user), days[-1], days[0])
    return [_one_day(day, income) for day in days]


def _one_day(day: date, income: dict[tuple[date, int], Decimal]) -> dict[str, Any]:
    detail: list[dict[str, Any]] = [
        {"balance": income.get((day, kind), Decimal(0)), "income_type": int(kind)} for kind in IncomeType
    ]
    return {
        "day": day,
        "balance_detail": sum((item["balance"] for item in detail), Decimal(0)),
        "detail": detail,
    }


def wallet(user: User) -> dict[str, Any]:
    """Return the data of the withdrawal page. `confirm` is present only while the user can confirm a transfer."""
    account = account_of(user)
    data = {
        "id": account.pk,
        "user_id": user.pk,
        "available": account.available,
        "withdrawing": account.withdrawing,
        "has_withdrawn": has_withdrawn(user),
    }
    waiting = Payout.objects.confirmable().filter(withdrawal__user=user).order_by("created_at").first()
    return {**data, "confirm": confirmation_of(waiting)} if waiting else data


def confirmation_of(payout: Payout) -> dict[str, Any]:
    """Return the parameters of WeChat's page on which the user confirms a transfer."""
    return {
        "withdraw_id": payout.pk,
        "app_id": payout.app_id,
        "mch_id": settings.WECHAT_PAY_MCH_ID,
        "package_info": payout.package_info,
    }
