"""The newcomer's red packet, paid once per user, and the fee for adopting robots."""

import secrets
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from accounts.models import User
from config.platform.dates import day_of
from earnings import ledger
from earnings.ledger import CENT, Posting
from earnings.models import (
    Account,
    EarningsRules,
    IncomeType,
    LedgerEntry,
    RedPacketOpening,
    TransactionKind,
)
from robots.models import Friendship

WAIVED = "余额不足，免收领养费"


def _draw(rules: EarningsRules) -> Decimal:
    low, high = int(rules.red_packet_min / CENT), int(rules.red_packet_max / CENT)
    return (low + secrets.randbelow(high - low + 1)) * CENT


def is_opened(user: User) -> bool:
    """Return whether the user has opened the red packet. It is paid at the completion and opened later."""
    return RedPacketOpening.objects.filter(user=user).exists()


def open_red_packet(user: User, *, at: datetime) -> Decimal:
    """Record that the user has opened the red packet and pay it if unpaid. Returns its amount in yuan."""
    with transaction.atomic():
        amount = pay_red_packet(user, at=at)
        RedPacketOpening.objects.bulk_create([RedPacketOpening(user=user, opened_at=at)], ignore_conflicts=True)
    return amount


def _key_of(user: User) -> str:
    """Return the unique key of the user's red packet in the ledger."""
    return f"red_packet:{user.pk}"


def pay_red_packet(user: User, *, at: datetime) -> Decimal:
    """Pay the red packet unless it was paid before. Returns its amount in yuan."""
    key = _key_of(user)
    amount = _draw(EarningsRules.current())
    postings = [
        Posting(ledger.account_of(user), amount, income_type=IncomeType.OTHER),
        Posting(ledger.platform_account(Account.Kind.REWARDS), -amount),
    ]
    try:
        ledger.post(kind=TransactionKind.RED_PACKET, idempotency_key=key, day=day_of(at), at=at, postings=postings)
    except ledger.AlreadyPosted:
        entry = LedgerEntry.objects.get(transaction__idempotency_key=key, amount__gt=0)
        return entry.amount
    return amount


def charge_adoption_fee(user: User, *, at: datetime) -> Decimal:
    """Charge the fee for each robot the user has added, or waive it when the balance is too small.

    Returns the fee charged in yuan, 0 when waived.
    """
    fee = EarningsRules.current().adoption_fee * Friendship.objects.filter(user=user).count()
    with transaction.atomic():
        account = ledger.locked_account_of(user)
        if fee <= 0:
            return Decimal(0)
        if account.available < fee:
            _post_fee(user, Posting(account, fee, income_type=IncomeType.ADOPTION_FEE), at=at, reason=WAIVED)
            return Decimal(0)
        _post_fee(user, Posting(ledger.platform_account(Account.Kind.REWARDS), fee), at=at)
    return fee


def _post_fee(user: User, credit: Posting, *, at: datetime, reason: str = "") -> None:
    """Post the fee of the user against `credit`. A waived fee is credited back to the user in the same transaction."""
    fee = Posting(ledger.account_of(user), -credit.amount, income_type=IncomeType.ADOPTION_FEE)
    key = f"adoption_fee:{user.pk}"
    ledger.post(
        kind=TransactionKind.ADOPTION_FEE,
        idempotency_key=key,
        day=day_of(at),
        at=at,
        postings=[fee, credit],
        reason=reason,
    )
