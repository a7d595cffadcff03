"""Posting to the double-entry ledger. What it promises is kept by PostgreSQL; docs/ledger.md says how."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from accounts.models import User
from config.errors import Code, Conflict, Refusal
from earnings.models import Account, Bucket, LedgerCheck, LedgerEntry, LedgerTransaction, SlipType, TransactionKind

CENT = Decimal("0.01")
UNCHECKED = timedelta(hours=26)  # a day, and two hours for a check that came late
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
class Move:
    """One side of a movement: what an account's balance changes by, in yuan."""

    account: Account
    amount: Decimal
    bucket: Bucket = Bucket.AVAILABLE
    slip_type: SlipType | None = None


def floored(amount: Decimal) -> Decimal:
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


def house(kind: Account.Kind) -> Account:
    return Account.objects.get(kind=kind)


def post(
    *,
    kind: TransactionKind,
    cause: str,
    day: date,
    at: datetime,
    moves: Sequence[Move],
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
        _write(posted, moves)
    return posted


def _write(posted: LedgerTransaction, moves: Sequence[Move]) -> None:
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
        if _constraint(error) in _NOT_NEGATIVE:
            raise BalanceWouldBeNegative from error
        raise


def _constraint(error: IntegrityError) -> str | None:
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
        if _constraint(error) == "reversal_is_whole_or_in_parts":
            raise NotReversible from error
        raise


def _opposite(original: LedgerTransaction) -> list[Move]:
    return [_undone(entry) for entry in original.entries.select_related("account")]


def _opposite_part(original: LedgerTransaction, account: Account) -> list[Move]:
    """What one user got (or paid) goes back to the house."""
    entries = original.entries.select_related("account").filter(account=account, account__kind=Account.Kind.USER)
    moves = [_undone(entry) for entry in entries]
    total = sum((move.amount for move in moves), Decimal(0))
    if not total:
        raise NotReversible
    return [*moves, Move(house(Account.Kind.REWARDS), -total)]


def _undone(entry: LedgerEntry) -> Move:
    slip_type = None if entry.slip_type is None else SlipType(entry.slip_type)
    return Move(entry.account, -entry.amount, Bucket(entry.bucket), slip_type)


_CHECKS = {
    "流水不平": """
        SELECT t.cause FROM earnings_ledgertransaction t
        LEFT JOIN earnings_ledgerentry e ON e.transaction_id = t.id
        GROUP BY t.id HAVING count(e.id) < 2 OR sum(e.amount) <> 0 LIMIT 20""",
    "账户余额与分录不符": """
        SELECT a.id::text FROM earnings_account a LEFT JOIN earnings_ledgerentry e ON e.account_id = a.id
        WHERE a.kind = 'user' GROUP BY a.id
        HAVING a.available <> coalesce(sum(e.amount) FILTER (WHERE e.bucket = 'available'), 0)
            OR a.withdrawing <> coalesce(sum(e.amount) FILTER (WHERE e.bucket = 'withdrawing'), 0)
            OR a.earned <> coalesce(sum(e.amount) FILTER (WHERE e.slip_type IS NOT NULL), 0) LIMIT 20""",
    "余额为负": "SELECT id::text FROM earnings_account WHERE available < 0 OR withdrawing < 0 LIMIT 20",
    "提现中金额与提现单不符": """
        SELECT a.id::text FROM earnings_account a
        LEFT JOIN earnings_withdrawal w ON w.user_id = a.user_id AND w.status IN (0, 1)
        WHERE a.kind = 'user' GROUP BY a.id HAVING a.withdrawing <> coalesce(sum(w.amount), 0) LIMIT 20""",
    "已打款金额与提现单不符": """
        SELECT (p.paid || ' / ' || w.paid)::text FROM
            (SELECT coalesce(sum(e.amount), 0) AS paid FROM earnings_ledgerentry e
             JOIN earnings_account a ON a.id = e.account_id WHERE a.kind = 'paid_out') p,
            (SELECT coalesce(sum(amount), 0) AS paid FROM earnings_withdrawal WHERE status = 3) w
        WHERE p.paid <> w.paid""",
}


def check_and_keep(*, at: datetime) -> list[str]:
    """Check all invariants and keep what was found, for the operators' home page."""
    findings = check()
    LedgerCheck.objects.create(checked_at=at, findings=findings)
    return findings


def last_check() -> LedgerCheck | None:
    """The newest check; an alarm when it has findings, or when none came after it (is_unchecked)."""
    return LedgerCheck.objects.order_by("-pk").first()


def is_unchecked(last: LedgerCheck | None, *, at: datetime) -> bool:
    """Whether the daily check is overdue: since the last one, or (never checked) since money first moved."""
    if last is not None:
        return at - last.checked_at > UNCHECKED
    first = LedgerTransaction.objects.order_by("posted_at", "-pk").first()
    return first is not None and at - first.posted_at > UNCHECKED


def check() -> list[str]:
    """What is wrong with the books, a line each; nothing when all invariants hold."""
    findings = []
    with connection.cursor() as cursor:
        for what, sql in _CHECKS.items():
            cursor.execute(sql)
            findings += [f"{what}: {row[0]}" for row in cursor.fetchall()]
    return findings
