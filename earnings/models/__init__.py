"""Money: the ledger, what is earned each day, and what is paid out."""

from earnings.models.ledger import Account, Bucket, LedgerEntry, LedgerTransaction, SlipType, TransactionKind
from earnings.models.rules import EarningsRules
from earnings.models.settlement import ArticleReadDay, GroupDay, GroupReads, SettlementDay
from earnings.models.withdrawal import Payout, Withdrawal, WithdrawalStep

__all__ = [
    "Account",
    "ArticleReadDay",
    "Bucket",
    "EarningsRules",
    "GroupDay",
    "GroupReads",
    "LedgerEntry",
    "LedgerTransaction",
    "Payout",
    "SettlementDay",
    "SlipType",
    "TransactionKind",
    "Withdrawal",
    "WithdrawalStep",
]
