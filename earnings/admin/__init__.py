"""Admin pages of withdrawals, payouts, the ledger, plans and rules."""

from earnings.admin.figures import income_of_groups
from earnings.admin.ledger import AccountAdmin, LedgerEntryAdmin, LedgerTransactionAdmin
from earnings.admin.ledger_checks import LedgerCheckAdmin
from earnings.admin.payouts import PayoutAdmin, PayoutPauseAdmin
from earnings.admin.plans import ArticlePriceAdmin, RuleChangeAdmin, StarPlanAdmin
from earnings.admin.rules import ArticleReadDayAdmin, EarningsRulesAdmin, SettlementDayAdmin
from earnings.admin.withdrawals import WithdrawalAdmin

__all__ = [
    "AccountAdmin",
    "ArticlePriceAdmin",
    "ArticleReadDayAdmin",
    "EarningsRulesAdmin",
    "LedgerCheckAdmin",
    "LedgerEntryAdmin",
    "LedgerTransactionAdmin",
    "PayoutAdmin",
    "PayoutPauseAdmin",
    "RuleChangeAdmin",
    "SettlementDayAdmin",
    "StarPlanAdmin",
    "WithdrawalAdmin",
    "income_of_groups",
]
