"""The double-entry ledger. Its invariants are triggers and constraints (docs/ledger.md)."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _


class Account(models.Model):
    """Whose money it is: one account per user, and the house's own, told apart by `kind`.

    The three totals of a user's account are kept by a database trigger from the entries and can
    be set by nothing else. The house keeps none: its row would be the one every posting waits for.
    """

    class Kind(models.TextChoices):
        USER = "user", "用户"
        REWARDS = "rewards", "平台收益支出"  # what users are credited comes from here
        PAID_OUT = "paid_out", "已打款"  # what left the platform through WeChat Pay

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField("类型", max_length=16, choices=Kind.choices, default=Kind.USER)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="account",
        verbose_name="用户",
    )
    available = models.DecimalField("可提现(元)", max_digits=14, decimal_places=2, default=0)
    withdrawing = models.DecimalField("提现中(元)", max_digits=14, decimal_places=2, default=0)
    earned = models.DecimalField("累计收益(元)", max_digits=14, decimal_places=2, default=0)
    opened_at = models.DateTimeField("开户时间", auto_now_add=True)

    class Meta:
        verbose_name = verbose_name_plural = "账户"
        ordering = ["-opened_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(available__gte=0), name="available_not_negative"),
            models.CheckConstraint(condition=Q(withdrawing__gte=0), name="withdrawing_not_negative"),
            models.CheckConstraint(
                condition=Q(kind="user", user__isnull=False) | (~Q(kind="user") & Q(user__isnull=True)),
                name="user_account_has_a_user",
            ),
            models.UniqueConstraint(fields=["kind"], condition=~Q(kind="user"), name="one_house_account_of_a_kind"),
        ]
        indexes = [models.Index(fields=["-opened_at", "id"], name="accounts_newest_first")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.user_id or ''}".strip()


class TransactionKind(models.TextChoices):
    """What moved the money."""

    RED_PACKET = "red_packet", "新人红包"
    ADOPTION_FEE = "adoption_fee", "领养费用"
    SETTLEMENT = "settlement", "每日结算"
    ARTICLE_READS = "article_reads", "文章阅读"
    WITHDRAWAL_ASKED = "withdrawal_asked", "申请提现"
    WITHDRAWAL_PAID = "withdrawal_paid", "提现打款"
    WITHDRAWAL_RETURNED = "withdrawal_returned", "提现退回"
    REVERSAL = "reversal", "冲正"


class LedgerTransaction(models.Model):
    """One movement of money: two or more entries that add up to nothing.

    `cause` is unique: the same cause cannot post twice.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField("类型", max_length=24, choices=TransactionKind.choices)
    cause = models.CharField("起因", max_length=200, unique=True)
    day = models.DateField("记账日")
    posted_at = models.DateTimeField("入账时间")
    posted_by = models.CharField("操作人", max_length=80, blank=True)
    reason = models.CharField("原因", max_length=200, blank=True)
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="reversals", verbose_name="冲正对象"
    )
    # Whose part of it was reversed; null: all of it. A trigger keeps the two ways apart (docs/ledger.md).
    reverses_account = models.ForeignKey(
        Account, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="只冲正此账户"
    )

    class Meta:
        verbose_name = verbose_name_plural = "账务流水"
        permissions = [("reverse_ledgertransaction", "冲正流水")]
        ordering = ["-posted_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=(Q(kind="reversal", reverses__isnull=False) & ~Q(reason="") & ~Q(posted_by=""))
                | (~Q(kind="reversal") & Q(reverses__isnull=True, reverses_account__isnull=True)),
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
            models.Index(  # the back office: every kind but the one that most are of
                fields=["kind", "-posted_at", "id"], condition=~Q(kind="settlement"), name="transactions_by_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.cause


class Bucket(models.TextChoices):
    """Which of an account's two balances an entry moves."""

    AVAILABLE = "available", "可提现"
    WITHDRAWING = "withdrawing", "提现中"


class IncomeType(models.IntegerChoices):
    """Kinds of income as users see them."""

    GROUPS = 0, "拉群"
    ARTICLE_READS = 1, "资讯点击"
    APPRENTICES = 2, "徒弟徒孙"
    ADOPTION_FEE = 3, "领养费用"
    OTHER = 4, "其他"


class LedgerEntry(models.Model):
    """One side of a movement, in yuan, signed. Never changed, never deleted."""

    id = models.BigAutoField(primary_key=True)
    transaction = models.ForeignKey(LedgerTransaction, models.PROTECT, related_name="entries", verbose_name="流水")
    account = models.ForeignKey(Account, models.PROTECT, related_name="entries", verbose_name="账户")
    bucket = models.CharField("余额", max_length=12, choices=Bucket.choices, default=Bucket.AVAILABLE)
    amount = models.DecimalField("金额(元)", max_digits=14, decimal_places=2)
    # Set on what counts as the user's income (or fee), null on mere movements.
    slip_type = models.SmallIntegerField("收益类型", choices=IncomeType.choices, null=True, blank=True)
    day = models.DateField("记账日")  # the transaction's, beside the entry for the index

    class Meta:
        verbose_name = verbose_name_plural = "账务分录"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(amount=0), name="entry_moves_something"),
            models.CheckConstraint(
                condition=Q(slip_type__isnull=True) | Q(slip_type__range=(0, 4)), name="slip_type_is_0_to_4"
            ),
            models.CheckConstraint(
                condition=Q(slip_type__isnull=True) | Q(bucket="available"), name="income_is_available"
            ),
        ]
        indexes = [
            # GET /profit and /profit/slip: a few days of one account, from the index alone
            models.Index(
                fields=["account", "day", "slip_type"],
                include=["amount"],
                condition=Q(slip_type__isnull=False),
                name="income_of_account_by_day",
            ),
            # the back office: kinds that are few among the nightly ones
            models.Index(
                fields=["slip_type", "-id"], condition=Q(slip_type__in=[3, 4]), name="entries_of_rare_type"
            ),
            models.Index(fields=["-id"], condition=Q(bucket="withdrawing"), name="entries_of_withdrawals"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.bucket}"


class LedgerCheck(models.Model):
    """One check of all invariants: what it found, a line each. Nothing found is an empty list."""

    id = models.BigAutoField(primary_key=True)
    checked_at = models.DateTimeField("检查时间")
    findings = models.JSONField("发现", default=list, blank=True)

    class Meta:
        verbose_name = verbose_name_plural = "账务检查"
        ordering = ["-id"]

    def __str__(self) -> str:
        return _("%s 项不符") % len(self.findings) if self.findings else _("账务正常")
