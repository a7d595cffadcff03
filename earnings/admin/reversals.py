"""Amounts and people of a reversal, for the confirmation pages."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from django.contrib import messages
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.labels import person_label
from config.backoffice.actions import MAX_ROWS, SHOWN, Confirmed
from config.platform.dates import day_of
from earnings import ledger
from earnings.models import Account, LedgerEntry, LedgerTransaction

NOT_REVERSED = _("已经冲正过、不可冲正，或余额会变负")
NOTHING = Decimal("0.00")


def try_reverse(posted: LedgerTransaction, chosen: Confirmed, *, account: Account | None = None) -> bool:
    """Reverse a transaction or one account's part of it. Returns False when the ledger refuses."""
    reason, day = chosen.fields["reason"], day_of(chosen.at)
    try:
        ledger.reverse(posted, account=account, by=chosen.by, reason=reason, at=chosen.at, day=day)
    except ledger.NotReversible:
        return False
    except ledger.BalanceWouldBeNegative:
        whose = person_label(account.user) if account and account.user else str(posted)
        messages.error(chosen.request, gettext("%(whose)s：余额不够收回，没有冲正。") % {"whose": whose})
        return False
    return True


def reversal_total(chosen: QuerySet[LedgerTransaction]) -> str:
    """Return the count, people and total of the reversible transactions among those chosen."""
    reversible = chosen.filter(kind__in=ledger.REVERSIBLE, reversals=None).order_by().values("pk")
    values = LedgerEntry.objects.filter(transaction__in=reversible, account__kind=Account.Kind.USER).aggregate(
        people=Count("account", distinct=True), total=Coalesce(Sum("amount"), NOTHING)
    )
    values["count"] = reversible.count()
    return gettext("其中可冲正 %(count)s 条，涉及 %(people)s 人，共 %(total)s 元") % values


def reversal_lines(chosen: QuerySet[LedgerTransaction]) -> list[str]:
    """Return a line for each transaction with the number of its people and its total."""
    of_users = Q(entries__account__kind=Account.Kind.USER)
    rows = chosen.annotate(
        people=Count("entries__account", filter=of_users, distinct=True),
        total=Coalesce(Sum("entries__amount", filter=of_users), NOTHING),
    )
    text = gettext("%(what)s：%(people)s 人，共 %(total)s 元")
    return [text % {"what": row, "people": row.people, "total": row.total} for row in rows[:SHOWN]]


@dataclass(frozen=True)
class Part:
    """The entries of one account in one transaction."""

    transaction: LedgerTransaction
    account: Account
    total: Decimal
    entry_count: int  # number of chosen entries

    def __str__(self) -> str:
        values = {
            "who": person_label(self.account.user) if self.account.user else "",
            "what": self.transaction,
            "total": self.total,
            "available": self.account.available,
        }
        if self.account.available < self.total:
            return gettext("%(who)s：%(total)s 元（%(what)s）· 余额只有 %(available)s 元，不能冲正") % values
        return gettext("%(who)s：%(total)s 元（%(what)s）") % values


def reversible_parts(chosen: QuerySet[LedgerEntry]) -> list[Part]:
    """Return the reversible parts that these entries belong to."""
    reversals = LedgerTransaction.objects.filter(
        Q(reverses_account=None) | Q(reverses_account=OuterRef("account")), reverses=OuterRef("transaction")
    )
    rows = chosen.select_related("transaction", "account__user").filter(
        ~Exists(reversals), transaction__kind__in=ledger.REVERSIBLE, account__kind=Account.Kind.USER
    )[:MAX_ROWS]
    by_part = {(row.transaction_id, row.account_id): row for row in rows}
    counts = Counter((row.transaction_id, row.account_id) for row in rows)
    sums = LedgerEntry.objects.filter(
        transaction__in={row.transaction_id for row in rows}, account__in={row.account_id for row in rows}
    )
    totals = {
        (posted, account): total
        for posted, account, total in sums.order_by()
        .values_list("transaction", "account")
        .annotate(total=Sum("amount"))
    }
    return [
        Part(row.transaction, row.account, totals[key], counts[key]) for key, row in by_part.items() if totals[key]
    ]


def part_total(chosen: QuerySet[LedgerEntry]) -> str:
    """Return the count and the total of the parts that can be reversed among those chosen."""
    parts = reversible_parts(chosen)
    values = {"people": len(parts), "total": sum((part.total for part in parts), NOTHING)}
    return gettext("可冲正 %(people)s 人次，共 %(total)s 元") % values
