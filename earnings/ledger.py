"""Posting to the ledger: balanced transactions, written once, never changed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts.models import User
from config.errors import Code, Conflict, Refusal
from earnings.models import Account, Bucket, IncomeType, LedgerEntry, LedgerTransaction, TransactionKind

CENT = Decimal("0.01")
_NOT_NEGATIVE = ("available_not_negative", "withdrawing_not_negative")
# What follows from a withdrawal is undone by the withdrawal's own end, never by hand.
REVERSIBLE = (
    TransactionKind.RED_PACKET,
    TransactionKind.ADOPTION_FEE,
    TransactionKind.SETTLEMENT,
    TransactionKind.ARTICLE_READS,
)


class AlreadyPosted(Conflict):
    """The same cause moves money once."""

    message = "这笔账已经记过了"


class NotReversible(Conflict):
    message = "这笔流水（或此人的部分）已经冲正，或不是可以冲正的种类"


class BalanceWouldBeNegative(Refusal):
    """The database refuses a balance below zero."""

    code = Code.BALANCE_TOO_SMALL
    message = "余额不足，记账后余额会变成负数"


@dataclass(frozen=True)
class Posting:
    """One side of a movement: what an account's balance changes by, in yuan."""

    account: Account
    amount: Decimal
    bucket: Bucket = Bucket.AVAILABLE
    slip_type: IncomeType | None = None


def rounded_down(amount: Decimal) -> Decimal:
    """Yuan, rounded down to a cent."""
    return amount.quantize(CENT, rounding=ROUND_FLOOR)


def account_of(user: User) -> Account:
    """The user's account, opened when it is first asked for."""
    return Account.objects.get_or_create(user=user)[0]


def locked_account_of(user: User) -> Account:
    """The user's account, read under a lock that lasts until the transaction ends."""
    return Account.objects.select_for_update().get(pk=account_of(user).pk)


def lock_accounts_of(user_ids: Iterable[UUID]) -> None:
    """Before several people's accounts are posted to one by one: lock them in the order in which everybody does."""
    accounts = Account.objects.select_for_update().filter(user_id__in=list(user_ids)).order_by("pk")
    list(accounts.values_list("pk"))


def platform_account(kind: Account.Kind) -> Account:
    return Account.objects.get(kind=kind)


def post(
    *,
    kind: TransactionKind,
    cause: str,
    day: date,
    at: datetime,
    moves: Sequence[Posting],
    by: str = "",
    reason: str = "",
    reverses: LedgerTransaction | None = None,
    reverses_account: Account | None = None,
) -> LedgerTransaction:
    """Post one movement: the moves add up to nothing, the cause is new (AlreadyPosted), no balance falls below 0."""
    with transaction.atomic():
        posted = LedgerTransaction(
            kind=kind,
            cause=cause,
            day=day,
            posted_at=at,
            posted_by=by,
            reason=reason,
            reverses=reverses,
            reverses_account=reverses_account,
        )
        # One statement decides whether the cause is new, even when two post it at once.
        LedgerTransaction.objects.bulk_create([posted], ignore_conflicts=True)
        if not LedgerTransaction.objects.filter(pk=posted.pk).exists():
            raise AlreadyPosted
        _write_entries(posted, moves)
    return posted


def _write_entries(posted: LedgerTransaction, moves: Sequence[Posting]) -> None:
    entries = [
        LedgerEntry(
            transaction=posted,
            account=move.account,
            bucket=move.bucket,
            amount=move.amount,
            slip_type=move.slip_type,
            day=posted.day,
        )
        for move in moves
    ]
    try:
        with transaction.atomic():
            LedgerEntry.objects.bulk_create(entries)
    except IntegrityError as error:
        if _violated_constraint(error) in _NOT_NEGATIVE:
            raise BalanceWouldBeNegative from error
        raise


def _violated_constraint(error: IntegrityError) -> str | None:
    """The name of what PostgreSQL saw broken."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return None if diagnosis is None else diagnosis.constraint_name


def was_posted(cause: str) -> bool:
    """Whether this cause has moved its money."""
    return LedgerTransaction.objects.filter(cause=cause).exists()


def reverse(
    original: LedgerTransaction, *, by: str, reason: str, at: datetime, day: date, account: Account | None = None
) -> LedgerTransaction:
    """Post the opposite of an income or a fee, or of one account's part of it, by an operator, with a reason.

    Once, and either the whole or parts of it (NotReversible).
    """
    if original.kind not in REVERSIBLE:
        raise NotReversible
    try:
        return post(
            kind=TransactionKind.REVERSAL,
            cause=f"reversal:{original.pk}" if account is None else f"reversal:{original.pk}:{account.pk}",
            day=day,
            at=at,
            moves=_opposite(original) if account is None else _opposite_part(original, account),
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
    """What one user got (or paid) goes back to the house."""
    entries = original.entries.select_related("account").filter(account=account, account__kind=Account.Kind.USER)
    moves = [_opposite_posting(entry) for entry in entries]
    total = sum((move.amount for move in moves), Decimal(0))
    if not total:
        raise NotReversible
    return [*moves, Posting(platform_account(Account.Kind.REWARDS), -total)]


def _opposite_posting(entry: LedgerEntry) -> Posting:
    slip_type = None if entry.slip_type is None else IncomeType(entry.slip_type)
    return Posting(entry.account, -entry.amount, Bucket(entry.bucket), slip_type)
