"""Figures of the rows on one page of the ledger's lists, each with one query for the page."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.contrib.admin import ListFilter
from django.db.models import QuerySet
from django.db.models.functions import Abs

from config.backoffice.filters import amounts
from config.backoffice.texts import Label
from config.platform import db
from earnings.models import Account, Bucket, LedgerEntry, LedgerTransaction

MOST_ACCOUNTS = 100  # of the rows for which balances are computed; a page has 50 rows
MOST_LATER = 10_000  # entries of an account: ten years
COUNTED_PEOPLE = 100  # of a transaction; a settlement has an entry of every user

# The present balance less the later entries, which are few for most of the lists: those of the newest entries.
_BALANCES = """
SELECT counted.id, counted.balance
FROM unnest(%(accounts)s::uuid[], %(oldest)s::bigint[]) AS shown(account_id, oldest)
JOIN earnings_account a ON a.id = shown.account_id
CROSS JOIN LATERAL (
    SELECT id, CASE bucket WHEN %(available)s THEN a.available ELSE a.withdrawing END - coalesce(sum(amount) OVER (
        PARTITION BY bucket ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ), 0) AS balance
    FROM (
        SELECT id, bucket, amount FROM earnings_ledgerentry
        WHERE account_id = a.id AND id >= shown.oldest ORDER BY id DESC LIMIT %(limit)s
    ) newest
) counted
WHERE counted.id = ANY(%(entries)s)
"""
# Entries without an income type are those of platform accounts and withdrawals: few, also of a settlement.
_TRANSACTIONS = """
SELECT t.id, amounts.amount, people.count, people.is_more, people.first
FROM unnest(%(transactions)s::uuid[]) AS t(id)
CROSS JOIN LATERAL (
    SELECT greatest(coalesce(sum(amount) FILTER (WHERE amount > 0), 0), -coalesce(sum(amount) FILTER (WHERE amount < 0), 0))
        AS amount
    FROM earnings_ledgerentry WHERE transaction_id = t.id AND income_type IS NULL
) amounts
CROSS JOIN LATERAL (
    SELECT count(DISTINCT a.user_id) AS count, count(*) = %(limit)s AS is_more,
        (array_agg(a.user_id ORDER BY e.id) FILTER (WHERE a.user_id IS NOT NULL))[1] AS first
    FROM (
        SELECT id, account_id FROM earnings_ledgerentry WHERE transaction_id = t.id LIMIT %(limit)s
    ) e JOIN earnings_account a ON a.id = e.account_id
) people
"""


class TransactionFigures(NamedTuple):
    """The amount of a transaction, its number of people (or of more than that), and the first of them."""

    amount: Decimal
    people_count: int
    has_more_people: bool
    first_person: UUID | None


def balances_after(entries: Iterable[LedgerEntry]) -> dict[int, Decimal]:
    """Return {entry: balance of its account and bucket after it}, of users' accounts.

    Platform accounts have no balance. Returns nothing for entries of more than MOST_ACCOUNTS accounts (a large export),
    and none for an entry with more than MOST_LATER later ones.
    """
    of_users = [entry for entry in entries if entry.account.kind == Account.Kind.USER]
    oldest = dict[UUID, int]()
    for entry in of_users:
        oldest[entry.account_id] = min(entry.pk, oldest.get(entry.account_id, entry.pk))
    if not oldest or len(oldest) > MOST_ACCOUNTS:
        return {}
    given = {
        "accounts": list(oldest),
        "oldest": list(oldest.values()),
        "entries": [entry.pk for entry in of_users],
        "available": Bucket.AVAILABLE,
        "limit": MOST_LATER,
    }
    return dict(db.rows(_BALANCES, given))


def transaction_figures(transactions: Sequence[LedgerTransaction]) -> dict[Any, TransactionFigures]:
    """Return the figures of these transactions."""
    keys = [posted.pk for posted in transactions]
    rows = db.rows(_TRANSACTIONS, {"transactions": keys, "limit": COUNTED_PEOPLE + 1}) if keys else []
    return {key: TransactionFigures(*figures) for key, *figures in rows}


def transaction_amounts(title: Label) -> type[ListFilter]:
    """Return a filter of transactions by their amount."""
    made: Any = amounts("size", title)
    matching_entries = made.matching

    def matching(self: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not any(self.used_parameters.values()):
            return queryset
        entries = LedgerEntry.objects.filter(income_type=None).annotate(size=Abs("amount")).order_by()
        return queryset.filter(pk__in=matching_entries(self, entries).values("transaction"))

    made.matching = matching
    return cast("type[ListFilter]", made)
