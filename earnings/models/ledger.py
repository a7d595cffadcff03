"""Models of the double-entry ledger. Triggers and constraints keep its invariants (docs/ledger.md)."""

import uuid
from typing import TypeAlias

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Abs
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import empty, filled, filled_exactly_when
from config.platform.triggers import AppendOnly, FixedColumns, Forbid, Rule, with_values
from earnings.models.triggers import (
    APPLY_ENTRIES,
    GUARD_REVERSAL,
    REVERSAL_IS_OPPOSITE,
    TRANSACTION_HAS_ENTRIES,
)

_TOTALS = "totals of an account follow from its entries only"
_IS_REVERSAL = pgtrigger.Condition("NEW.reverses_id IS NOT NULL")


def append_only() -> AppendOnly:
    """Return the trigger of a history: a correction is a new row."""
    return AppendOnly(
        name="append_only",
        constraint="history_is_append_only",
        message="% is append-only: post a reversal instead",
        values=["TG_TABLE_NAME"],
    )


class AccountKind(models.TextChoices):
    USER = "user", _("用户")
    REWARDS = "rewards", _("平台收益支出")  # the source of all credits
    PAID_OUT = "paid_out", _("已打款")  # money that left the platform through WeChat Pay


class Account(models.Model):
    """An account of a user or of the platform, distinguished by `kind`.

    A database trigger updates the three totals of a user's account from the entries; nothing else can set them. Platform
    accounts have no totals: their row would be the one that every posting waits for.
    """

    Kind: TypeAlias = AccountKind

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("类型"), max_length=16, choices=Kind.choices, default=Kind.USER)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="account",
        verbose_name=_("用户"),
    )
    available = models.DecimalField(_("可提现（元）"), max_digits=14, decimal_places=2, default=0)
    withdrawing = models.DecimalField(_("提现中（元）"), max_digits=14, decimal_places=2, default=0)
    earned = models.DecimalField(_("累计收益（元）"), max_digits=14, decimal_places=2, default=0)
    opened_at = models.DateTimeField(_("开户时间"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("账户"), pgettext_lazy("plural", "账户")
        ordering = ["-opened_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(available__gte=0), name="available_not_negative"),
            models.CheckConstraint(condition=Q(withdrawing__gte=0), name="withdrawing_not_negative"),
            models.CheckConstraint(
                condition=filled_exactly_when(Q(kind=AccountKind.USER), "user"),
                name="user_account_has_a_user",
            ),
            models.UniqueConstraint(
                fields=["kind"], condition=~Q(kind=AccountKind.USER), name="one_platform_account_of_a_kind"
            ),
        ]
        indexes = [models.Index(fields=["-opened_at", "id"], name="accounts_newest_first")]
        triggers = [
            Forbid(
                name="account_opens_empty",
                operation=pgtrigger.Insert,
                condition="(NEW.available, NEW.withdrawing, NEW.earned) <> (0, 0, 0)",
                constraint="totals_follow_from_entries",
                message=_TOTALS,
            ),
            FixedColumns(
                name="totals_follow_from_entries",
                fields=["available", "withdrawing", "earned", "kind", "user"],
                condition="pg_trigger_depth() = 0",  # above 0 the trigger apply_entries is at work
                constraint="totals_follow_from_entries",
                message=_TOTALS,
            ),
        ]

    def __str__(self) -> str:
        return gettext("%s 的账户") % self.user if self.user else str(self.get_kind_display())


class TransactionKind(models.TextChoices):
    """The kind of business event behind a transaction."""

    RED_PACKET = "red_packet", _("新人红包")
    ADOPTION_FEE = "adoption_fee", _("领养费用")
    SETTLEMENT = "settlement", _("每日结算")
    ARTICLE_READS = "article_reads", _("文章阅读")
    WITHDRAWAL_ASKED = "withdrawal_asked", _("申请提现")
    WITHDRAWAL_PAID = "withdrawal_paid", _("提现打款")
    WITHDRAWAL_RETURNED = "withdrawal_returned", _("提现退回")
    REVERSAL = "reversal", _("冲正")


class LedgerTransaction(models.Model):
    """A movement of money: two or more entries that add up to zero.

    `idempotency_key` is unique, so the same event cannot be posted twice.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("类型"), max_length=24, choices=TransactionKind.choices)
    idempotency_key = models.CharField(_("业务单号"), max_length=200, unique=True)
    day = models.DateField(_("记账日"))
    posted_at = models.DateTimeField(_("入账时间"))
    posted_by = models.CharField(_("操作人"), max_length=80, blank=True)
    reason = models.CharField(_("原因"), max_length=200, blank=True)
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="reversals", verbose_name=_("冲正对象")
    )
    # The account whose part was reversed, or null for the whole. A trigger refuses a mix of both (docs/ledger.md).
    reverses_account = models.ForeignKey(
        Account, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("只冲正此账户")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("账务流水"), pgettext_lazy("plural", "账务流水")
        permissions = [("reverse_ledgertransaction", "冲正流水")]
        ordering = ["-posted_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind=TransactionKind.REVERSAL) & filled("reverses", texts=["reason", "posted_by"])
                | ~Q(kind=TransactionKind.REVERSAL) & empty("reverses", "reverses_account"),
                name="reversal_names_what_who_and_why",
            ),
            models.UniqueConstraint(
                fields=["reverses"],
                condition=Q(reverses__isnull=False, reverses_account__isnull=True),
                name="transaction_is_reversed_once",
            ),
            models.UniqueConstraint(
                fields=["reverses", "reverses_account"],
                condition=Q(reverses_account__isnull=False),
                name="part_of_account_is_reversed_once",
            ),
        ]
        indexes = [
            models.Index(fields=["-posted_at", "id"], name="transactions_newest_first"),
            models.Index(  # the admin's filter by kind, without settlements, which are most of the rows
                fields=["kind", "-posted_at", "id"],
                condition=~Q(kind=TransactionKind.SETTLEMENT),
                name="transactions_by_kind",
            ),
        ]
        triggers = [
            append_only(),
            Rule(
                name="transaction_has_entries",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func=TRANSACTION_HAS_ENTRIES,
            ),
            Rule(
                name="guard_reversal",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                condition=_IS_REVERSAL,
                func=GUARD_REVERSAL,
            ),
            Rule(
                name="reversal_is_opposite",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                condition=_IS_REVERSAL,
                func=with_values(REVERSAL_IS_OPPOSITE, account=AccountKind),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.day}"


class Bucket(models.TextChoices):
    """The two balances of an account; an entry changes one of them."""

    AVAILABLE = "available", _("可提现")
    WITHDRAWING = "withdrawing", _("提现中")


class IncomeType(models.IntegerChoices):
    """The types of income (and fee) that users see."""

    GROUPS = 0, _("拉群")
    ARTICLE_READS = 1, _("资讯点击")
    APPRENTICES = 2, _("徒弟徒孙")
    ADOPTION_FEE = 3, _("领养费用")
    OTHER = 4, _("其他")


class LedgerEntry(models.Model):
    """A side of a transaction: a signed amount in yuan. Never changed, never deleted."""

    id = models.BigAutoField(primary_key=True)
    transaction = models.ForeignKey(
        LedgerTransaction, models.PROTECT, related_name="entries", verbose_name=_("流水")
    )
    account = models.ForeignKey(
        Account, models.PROTECT, related_name="entries", db_index=False, verbose_name=_("账户")
    )
    bucket = models.CharField(_("余额"), max_length=12, choices=Bucket.choices, default=Bucket.AVAILABLE)
    amount = models.DecimalField(_("金额（元）"), max_digits=14, decimal_places=2)
    # Set for the user's income or fee, null for transfers between balances.
    income_type = models.SmallIntegerField(_("收益类型"), choices=IncomeType.choices, null=True, blank=True)
    day = models.DateField(_("记账日"))  # the transaction's day, copied here for the index

    class Meta:
        verbose_name, verbose_name_plural = _("账务分录"), pgettext_lazy("plural", "账务分录")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="entry_moves_something"),
            models.CheckConstraint(
                condition=Q(income_type__isnull=True) | Q(income_type__range=(IncomeType.GROUPS, IncomeType.OTHER)),
                name="income_type_is_0_to_4",
            ),
            models.CheckConstraint(
                condition=empty("income_type") | Q(bucket=Bucket.AVAILABLE), name="income_is_available"
            ),
        ]
        indexes = [
            # GET /profit and /profit/slip: a few days of one account, from the index alone
            models.Index(
                fields=["account", "day", "income_type"],
                include=["amount"],
                condition=Q(income_type__isnull=False),
                name="income_of_account_by_day",
            ),
            # the admin's entries of a person and the balance after each
            models.Index(fields=["account", "-id"], name="entries_of_account"),
            # the admin's filter by the rare income types
            models.Index(
                fields=["income_type", "-id"],
                condition=Q(income_type__in=[IncomeType.ADOPTION_FEE, IncomeType.OTHER]),
                name="entries_of_rare_type",
            ),
            models.Index(fields=["-id"], condition=Q(bucket=Bucket.WITHDRAWING), name="entries_of_withdrawals"),
            # the admin's filter by day: entries are inserted in the order of days, so a BRIN index is enough
            BrinIndex(fields=["day"], name="entries_by_day", pages_per_range=32, autosummarize=True),
            # the admin's amounts of transactions: entries without an income type are one or two of each transaction
            models.Index(
                fields=["transaction"],
                include=["amount"],
                condition=Q(income_type__isnull=True),
                name="untyped_of_transaction",
            ),
            models.Index(Abs("amount"), condition=Q(income_type__isnull=True), name="untyped_by_amount"),
        ]
        triggers = [
            append_only(),
            Rule(
                name="apply_entries",
                level=pgtrigger.Statement,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                referencing=pgtrigger.Referencing(new="fresh"),
                func=with_values(APPLY_ENTRIES, account=AccountKind, bucket=Bucket),
            ),
        ]

    def __str__(self) -> str:
        values = {
            "account": self.account,
            "bucket": self.get_bucket_display(),
            "amount": f"{self.amount:+,.2f}",
        }
        return gettext("%(account)s：%(bucket)s %(amount)s 元") % values


class LedgerCheck(models.Model):
    """A run of the ledger check with its findings; an empty list means no violation."""

    id = models.BigAutoField(primary_key=True)
    checked_at = models.DateTimeField(_("检查时间"))
    findings = models.JSONField(_("发现"), default=list, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("账务检查"), pgettext_lazy("plural", "账务检查")
        ordering = ["-id"]

    def __str__(self) -> str:
        return gettext("%s 项不符") % len(self.findings) if self.findings else gettext("账务正常")
