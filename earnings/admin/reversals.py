"""What a reversal would take back and from whom, for the pages that ask before it is done."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from config.backoffice.actions import MAX_ROWS, SHOWN
from config.platform.dates import day_of
from earnings import ledger
from earnings.admin.people import named
from earnings.models import Account, LedgerEntry, LedgerTransaction

NOT_REVERSED = "已经冲正过、不可冲正,或余额会变负"
NOTHING = Decimal("0.00")


def how(request: HttpRequest, said: dict[str, Any]) -> dict[str, Any]:
    """Who reverses, why and when."""
    now = timezone.now()
    return {"by": request.user.get_username(), "reason": said["reason"], "at": now, "day": day_of(now)}


def is_reversed(posted: LedgerTransaction, **facts: Any) -> bool:
    """Reverse it, or one account's part of it; whether that could be done."""
    try:
        ledger.reverse(posted, **facts)
    except (ledger.NotReversible, ledger.BalanceWouldBeNegative):
        return False
    return True


def to_reverse(chosen: QuerySet[LedgerTransaction]) -> str:
    """What the reversible ones among those chosen take back, and from how many people."""
    open_ones = chosen.filter(kind__in=ledger.REVERSIBLE, reversals=None).order_by().values("pk")
    words = LedgerEntry.objects.filter(transaction__in=open_ones, account__kind=Account.Kind.USER).aggregate(
        people=Count("account", distinct=True), total=Coalesce(Sum("amount"), NOTHING)
    )
    words["count"] = open_ones.count()
    return _("其中可冲正 %(count)s 条,涉及 %(people)s 人,共 %(total)s 元") % words


def lines_of(chosen: QuerySet[LedgerTransaction]) -> list[str]:
    """Each transaction with its people and money."""
    of_users = Q(entries__account__kind=Account.Kind.USER)
    rows = chosen.annotate(
        people=Count("entries__account", filter=of_users, distinct=True),
        total=Coalesce(Sum("entries__amount", filter=of_users), NOTHING),
    )
    text = _("%(what)s:%(people)s 人,共 %(total)s 元")
    return [text % {"what": row.cause, "people": row.people, "total": row.total} for row in rows[:SHOWN]]


@dataclass(frozen=True)
class Part:
    """All that one account got in one transaction."""

    transaction: LedgerTransaction
    account: Account
    total: Decimal
    entry_count: int  # of those chosen

    def __str__(self) -> str:
        words = {"who": named(self.account.user), "what": self.transaction.cause, "total": self.total}
        return _("%(who)s:%(total)s 元(%(what)s)") % words


def parts_of(chosen: QuerySet[LedgerEntry]) -> list[Part]:
    """The parts that these entries belong to, those that can be reversed."""
    undone = LedgerTransaction.objects.filter(
        Q(reverses_account=None) | Q(reverses_account=OuterRef("account")), reverses=OuterRef("transaction")
    )
    rows = chosen.select_related("transaction", "account__user").filter(
        ~Exists(undone), transaction__kind__in=ledger.REVERSIBLE, account__kind=Account.Kind.USER
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
