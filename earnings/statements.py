"""Statements of a user's income and wallet, summed from the ledger entries of the account."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from accounts.queries import UserStatement
from accounts.token_users import TokenUser
from config.platform.prepared import Row
from earnings.ledger import account_of
from earnings.models import Account, IncomeType, LedgerEntry, Payout, Withdrawal
from earnings.withdrawals import OPEN_OR_PAID

STATEMENT_DAYS = 15


def _income(account: Any, first: date, last: date) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(
        account=account, income_type__isnull=False, day__range=(first, last)
    ).order_by()


@UserStatement
def _totals(user_id: UUID, yesterday: date) -> QuerySet[Any, Any]:
    income = _income(OuterRef("pk"), yesterday, yesterday).values("account").values(total=Sum("amount"))
    return Account.objects.filter(user_id=user_id).values_list(
        "available", "earned", Coalesce(Subquery(income), Decimal(0))
    )


@UserStatement
def _income_of_days(user_id: UUID, first: date, last: date) -> QuerySet[Any, Any]:
    account = Subquery(Account.objects.filter(user_id=user_id).values("pk"))
    return _income(account, first, last).values_list("day", "income_type").annotate(total=Sum("amount"))


@UserStatement
def _wallet(user_id: UUID) -> QuerySet[Any, Any]:
    payouts = Payout.objects.confirmable().filter(withdrawal__user_id=user_id).order_by("created_at")
    return (
        Account.objects.filter(user_id=user_id)
        .annotate(
            has_withdrawn=Exists(Withdrawal.objects.filter(user_id=user_id, status__in=OPEN_OR_PAID)),
            payout_id=Subquery(payouts.values("pk")[:1]),
        )
        .values_list("id", "user_id", "available", "withdrawing", "has_withdrawn", "payout_id")
    )


def _of_account(statement: UserStatement, user: TokenUser, *args: Any) -> Row:
    """Return the row that a statement reads of the user's account, which is opened at the first call."""
    rows = statement.rows(user, *args)
    if not rows:
        account_of(user.load())
        rows = statement.rows(user, *args)
    return rows[0]


def summary(user: TokenUser, *, today: date) -> dict[str, Decimal]:
    """Return the available balance, the total income and yesterday's income, in yuan."""
    amount, balance, yesterday_balance, *_ = _of_account(_totals, user, today - timedelta(days=1))
    return {"amount": amount, "balance": balance, "yesterday_balance": yesterday_balance}


def income_by_day(user: TokenUser, *, today: date) -> list[dict[str, Any]]:
    """Return the income of the last 15 days, today included, newest first, each with all five income types."""
    days = [today - timedelta(days=offset) for offset in range(STATEMENT_DAYS)]
    income = {(day, kind): total for day, kind, total, _ in _income_of_days.rows(user, days[-1], days[0])}
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


def wallet(user: TokenUser) -> dict[str, Any]:
    """Return the data of the withdrawal page. `confirm` is present only while the user can confirm a transfer."""
    *values, payout_id, _ = _of_account(_wallet, user)
    data = dict(zip(_wallet.columns, values, strict=False))
    return data if payout_id is None else data | {"confirm": confirmation_of(Payout.objects.get(pk=payout_id))}


def confirmation_of(payout: Payout) -> dict[str, Any]:
    """Return the parameters of WeChat's page on which the user confirms a transfer."""
    return {
        "withdraw_id": payout.pk,
        "app_id": payout.app_id,
        "mch_id": settings.WECHAT_PAY_MCH_ID,
        "package_info": payout.package_info,
    }
