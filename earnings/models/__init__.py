"""Models of the ledger, the daily income, the rules, withdrawals and payouts."""

from earnings.models.ledger import (
    Account,
    Bucket,
    IncomeType,
    LedgerCheck,
    LedgerEntry,
    LedgerTransaction,
    TransactionKind,
)
from earnings.models.payout import Payout, PayoutPause
from earnings.models.red_packet import RedPacketOpening
from earnings.models.rules import EarningsRules, RuleChange
from earnings.models.settlement import ArticleReadDay, GroupDay, GroupReads, SettlementDay
from earnings.models.withdrawal import Withdrawal, WithdrawalStep

__all__ = [
    "Account",
    "ArticleReadDay",
    "Bucket",
    "EarningsRules",
    "GroupDay",
    "GroupReads",
    "IncomeType",
    "LedgerCheck",
    "LedgerEntry",
    "LedgerTransaction",
    "Payout",
    "PayoutPause",
    "RedPacketOpening",
    "RuleChange",
    "SettlementDay",
    "TransactionKind",
    "Withdrawal",
    "WithdrawalStep",
]
