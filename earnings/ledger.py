"""Posting to the double-entry ledger: balanced transactions, written once, never changed.

An `Account` belongs to a user or to the platform. A `LedgerTransaction` has two or more `LedgerEntry`s that add up to
zero, and a unique `idempotency_key`. A `Posting` here becomes one entry.

1. The caller locks the accounts it reads (`locked_account_of`, or `lock_accounts_of` for several, in primary-key order).
2. `post` inserts the transaction; the unique `idempotency_key` decides between two callers that post the same at once.
3. `post` inserts all entries in one statement. The trigger `apply_entries` checks the sum and updates the totals of users'
   accounts; platform accounts have no totals.
4. A balance below zero violates a constraint and becomes `BalanceWouldBeNegative`.
5. `reverse` posts the opposite of a transaction or of one account's part, for operators.

earnings.crediting posts the income of many users by SQL of its own, which the same triggers check. All steps are one
database transaction: a process killed before the commit leaves nothing, and after it a repeated call raises
`AlreadyPosted`. PostgreSQL refuses changes of history (docs/ledger.md); earnings.ledger_check verifies the totals.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from typing import cast
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import User
from config.errors import Code, Conflict, Refusal
from config.platform.prepared import prepared
from earnings.models import Account, Bucket, IncomeType, LedgerEntry, LedgerTransaction, TransactionKind

CENT = Decimal("0.01")
_NOT_NEGATIVE = ("available_not_negative", "withdrawing_not_negative")
# Transactions of a withdrawal are reversed by the end of the withdrawal, never by an operator.
REVERSIBLE = (
    TransactionKind.RED_PACKET,
    TransactionKind.ADOPTION_FEE,
    TransactionKind.SETTLEMENT,
    TransactionKind.ARTICLE_READS,
)


class AlreadyPosted(Conflict):
    """Refusal of a second transaction with the same key."""

    message = "这笔账已经记过了"


class NotReversible(Conflict):
    message = "这笔流水（或此人的部分）已经冲正，或不是可以冲正的种类"


class BalanceWouldBeNegative(Refusal):
    """Refusal of a transaction that would make a balance negative."""

    code = Code.BALANCE_TOO_SMALL
    message = "余额不足，记账后余额会变成负数"


@dataclass(frozen=True)
class Posting:
    """A side of a transaction: the change of an account's balance, in yuan."""

    account: Account
    amount: Decimal
    bucket: Bucket = Bucket.AVAILABLE
    income_type: IncomeType | None = None


def rounded_down(amount: Decimal) -> Decimal:
    """Return an amount in yuan, rounded down to a cent."""
    return amount.quantize(CENT, rounding=ROUND_FLOOR)


def account_of(user: User) -> Account:
    """Return the user's account, opened at the first call."""
    return Account.objects.get_or_create(user=user)[0]


def locked_account_of(user: User) -> Account:
    """Return the user's account, locked until the transaction ends."""
    found = _locked_account.objects(user.pk)
    if not found:
        account_of(user)
        found = _locked_account.objects(user.pk)
    return cast(Account, found[0])


@prepared
def _locked_account(user_id: UUID) -> QuerySet[Account]:
    return Account.objects.select_for_update().filter(user_id=user_id)


def lock_accounts_of(user_ids: Iterable[UUID]) -> None:
    """Lock several users' accounts in primary-key order, before posting to them one by one."""
    accounts = Account.objects.select_for_update().filter(user_id__in=list(user_ids)).order_by("pk")
    list(accounts.values_list("pk"))


def platform_account(kind: Account.Kind) -> Account:
    return Account.objects.get(kind=kind)


def post(
    *,
    kind: TransactionKind,
    idempotency_key: str,
    day: date,
    at: datetime,
    postings: Sequence[Posting],
    by: str = "",
    reason: str = "",
    reverses: LedgerTransaction | None = None,
    reverses_account: Account | None = None,
) -> LedgerTransaction:
    """Post one transaction whose postings add up to zero.

    Raises AlreadyPosted when a transaction has this key already, BalanceWouldBeNegative when a balance would fall below
    zero.
    """
    with transaction.atomic():
        posted = LedgerTransaction(
            kind=kind,
            idempotency_key=idempotency_key,
            day=day,
            posted_at=at,
            posted_by=by,
            reason=reason,
            reverses=reverses,
            reverses_account=reverses_account,
        )
        # One statement decides whether the key is new, even for two concurrent callers.
        LedgerTransaction.objects.bulk_create([posted], ignore_conflicts=True)
        if not LedgerTransaction.objects.filter(pk=posted.pk).exists():
            raise AlreadyPosted
        _write_entries(posted, postings)
    return posted


def _write_entries(posted: LedgerTransaction, postings: Sequence[Posting]) -> None:
    entries = [
        LedgerEntry(
            transaction=posted,
            account=posting.account,
            bucket=posting.bucket,
            amount=posting.amount,
            income_type=posting.income_type,
            day=posted.day,
        )
        for posting in postings
    ]
    try:
        with transaction.atomic():
            LedgerEntry.objects.bulk_create(entries)
    except IntegrityError as error:
        if _violated_constraint(error) in _NOT_NEGATIVE:
            raise BalanceWouldBeNegative from error
        raise


def _violated_constraint(error: IntegrityError) -> str | None:
    """Return the name of the violated constraint, or None."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return None if diagnosis is None else diagnosis.constraint_name


def reverse(
    original: LedgerTransaction, *, by: str, reason: str, at: datetime, day: date, account: Account | None = None
) -> LedgerTransaction:
    """Post the opposite of an income or fee, or of one account's part of it, for an operator with a reason.

    A transaction is reversed once, either as a whole or in parts. Raises NotReversible otherwise.
    """
    if original.kind not in REVERSIBLE:
        raise NotReversible
    part = "" if account is None else f":{account.pk}"
    try:
        return post(
            kind=TransactionKind.REVERSAL,
            idempotency_key=f"reversal:{original.pk}{part}",
            day=day,
            at=at,
            postings=_opposite(original) if account is None else _opposite_part(original, account),
            by=by,
            reason=reason,
            reverses=original,
            reverses_account=account,
        )
    except AlreadyPosted as error:
        raise NotReversible from error
    except IntegrityError as error:
        if _violated_constraint(error) == "reversal_is_whole_or_in_parts":
            raise NotReversible from error
        raise


def _opposite(original: LedgerTransaction) -> list[Posting]:
    return [_opposite_posting(entry) for entry in original.entries.select_related("account")]


def _opposite_part(original: LedgerTransaction, account: Account) -> list[Posting]:
    """Return the postings that return one user's part to the rewards account."""
    entries = original.entries.select_related("account").filter(account=account, account__kind=Account.Kind.USER)
    postings = [_opposite_posting(entry) for entry in entries]
    total = sum((posting.amount for posting in postings), Decimal(0))
    if not total:
        raise NotReversible
    return [*postings, Posting(platform_account(Account.Kind.REWARDS), -total)]


def _opposite_posting(entry: LedgerEntry) -> Posting:
    income_type = None if entry.income_type is None else IncomeType(entry.income_type)
    return Posting(entry.account, -entry.amount, Bucket(entry.bucket), income_type)
