"""Models of withdrawals and of their steps."""

import uuid
from datetime import datetime, timedelta
from typing import TypeAlias

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Case, DecimalField, F, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import filled, filled_exactly_when, filled_together
from config.platform.triggers import FixedColumns, Forbid, Rule, Transitions, with_values
from earnings.models.ledger import append_only
from earnings.models.triggers import LARGE_WITHDRAWAL_HAS_TWO_APPROVALS

COUNTED_TOGETHER = timedelta(hours=24)
_FIXED = "what was asked is not changed afterwards"


class WithdrawalQuerySet(models.QuerySet["Withdrawal"]):
    def with_total(self, *, at: datetime) -> "WithdrawalQuerySet":
        """Annotate `total`: the amount in yuan that is compared with the limit for two operators.

        The total is all that the user may be paid within 24 hours: every withdrawal that waits for review, and those
        approved in the last 24 hours or requested within 24 hours of this one. A trigger has the same rule. Only a
        withdrawal that waits for review has a total; that of another one is its own amount.
        """
        near = Q(asked_at__gt=OuterRef("asked_at") - COUNTED_TOGETHER) & Q(
            asked_at__lt=OuterRef("asked_at") + COUNTED_TOGETHER
        )
        recent = Q(reviewed_at__gt=at - COUNTED_TOGETHER) | near
        approved = Q(status__in=[Withdrawal.Status.PAYING, Withdrawal.Status.PAID])
        others = Withdrawal.objects.filter(Q(status=Withdrawal.Status.TO_REVIEW) | approved & recent)
        sums = others.filter(user=OuterRef("user")).exclude(pk=OuterRef("pk")).order_by().values("user")
        others_sum = Subquery(sums.annotate(sum=Sum("amount")).values("sum"))
        money = DecimalField(max_digits=12, decimal_places=2)
        waits = When(status=Withdrawal.Status.TO_REVIEW, then=Coalesce(others_sum, 0, output_field=money))
        return self.annotate(total=F("amount") + Case(waits, default=0, output_field=money))

    def sorted_by(self, key: str, *, descending: bool) -> "WithdrawalQuerySet":
        """Sort by `amount`, `create_date` or `paid_date` (unpaid last), then by primary key."""
        column = F(_SORT_KEYS[key])
        if descending:
            return self.order_by(column.desc(nulls_last=True) if key == "paid_date" else column.desc(), "pk")
        return self.order_by(column.asc(nulls_last=True) if key == "paid_date" else column.asc(), "-pk")


_SORT_KEYS = {"amount": "amount", "create_date": "asked_at", "paid_date": "paid_at"}


class WithdrawalStatus(models.IntegerChoices):
    TO_REVIEW = 0, _("待审核")
    PAYING = 1, _("打款中")
    REJECTED = 2, _("已拒绝")
    PAID = 3, _("已打款")
    FAILED = 4, _("打款失败")


_NOT_TO_REVIEW = f"NEW.status <> {WithdrawalStatus.TO_REVIEW} OR NEW.first_approved_by <> ''"
_RECEIVER_IS_ERASED = (
    f"OLD.status IN ({WithdrawalStatus.REJECTED}, {WithdrawalStatus.PAID}, {WithdrawalStatus.FAILED})"
    " AND (NEW.open_id, NEW.app_id) = ('', '')"
)
_IS_APPROVED_BY_ONE = (
    "(OLD.status, NEW.status, OLD.first_approved_by)"
    f" = ({WithdrawalStatus.TO_REVIEW}, {WithdrawalStatus.PAYING}, '')"
)


class Withdrawal(models.Model):
    """A user's request for money. Database triggers keep the request as it was and allow only forward changes of its status."""

    Status: TypeAlias = WithdrawalStatus

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="withdrawals",
        db_index=False,
        verbose_name=_("用户"),
    )
    amount = models.DecimalField(_("金额（元）"), max_digits=8, decimal_places=2)
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.TO_REVIEW)
    asked_at = models.DateTimeField(_("申请时间"))
    asked_day = models.DateField(_("申请日期"), editable=False)
    # The receiving WeChat account: the user's at the moment of the request, or blank when none was known.
    open_id = models.CharField(_("收款 open_id"), max_length=128, blank=True)
    app_id = models.CharField(_("收款 app_id"), max_length=64, blank=True)
    # The first of the two approvals of a large withdrawal, which still waits for the second.
    first_approved_at = models.DateTimeField(_("初审时间"), null=True, blank=True)
    first_approved_by = models.CharField(_("初审人"), max_length=80, blank=True)
    reviewed_at = models.DateTimeField(_("审核时间"), null=True, blank=True)
    reviewed_by = models.CharField(_("审核人"), max_length=80, blank=True)
    paid_at = models.DateTimeField(_("打款时间"), null=True, blank=True)
    failed_at = models.DateTimeField(_("失败时间"), null=True, blank=True)
    reason = models.CharField(_("原因"), max_length=200, blank=True)

    objects = WithdrawalQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("提现"), pgettext_lazy("plural", "提现")
        permissions = [("export_money", "导出资金列表"), ("review_withdrawal", "审核提现")]
        ordering = ["-asked_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "asked_day"], name="one_withdrawal_per_user_and_day"),
            models.CheckConstraint(
                condition=Q(amount__in=[1, 20, 50, 100, 200, 500]), name="withdrawal_amount_is_offered"
            ),
            models.CheckConstraint(
                condition=filled_exactly_when(
                    ~Q(status=WithdrawalStatus.TO_REVIEW), "reviewed_at", texts=["reviewed_by"]
                ),
                name="reviewed_withdrawal_has_reviewer_and_moment",
            ),
            models.CheckConstraint(
                condition=filled_together("first_approved_at", texts=["first_approved_by"]),
                name="first_approval_has_somebody_and_moment",
            ),
            models.CheckConstraint(
                condition=filled_together(texts=["open_id", "app_id"]),
                name="receiver_has_open_id_and_app_id",
            ),
            models.CheckConstraint(
                condition=Q(status__in=[WithdrawalStatus.TO_REVIEW, WithdrawalStatus.REJECTED])
                | Q(first_approved_by="")
                | ~Q(first_approved_by=F("reviewed_by")),
                name="two_approvals_are_of_two_people",
            ),
            models.CheckConstraint(
                condition=filled_exactly_when(Q(status=WithdrawalStatus.PAID), "paid_at"),
                name="paid_withdrawal_has_paid_at",
            ),
            models.CheckConstraint(
                condition=filled_exactly_when(Q(status=WithdrawalStatus.FAILED), "failed_at"),
                name="failed_withdrawal_has_failed_at",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=[WithdrawalStatus.REJECTED, WithdrawalStatus.FAILED])
                | filled(texts=["reason"]),
                name="unpaid_withdrawal_has_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["-asked_at", "id"], name="withdrawals_newest_first"),
            models.Index(fields=["user", "-asked_at", "id"], name="withdrawals_of_user"),
            models.Index(  # with the amounts, which the home page adds up
                fields=["status", "-asked_at", "id"], include=["amount"], name="withdrawals_by_status"
            ),
            # the risk hint about fellows who ask on the same day: an inviter may have very many apprentices
            models.Index(fields=["asked_day", "user"], name="withdrawals_of_a_day"),
            models.Index(fields=["-amount", "id"], name="withdrawals_by_amount"),
            models.Index(F("paid_at").desc(nulls_last=True), "id", name="withdrawals_by_paid_at"),
            models.Index(F("paid_at").asc(nulls_last=True), F("id").desc(), name="withdrawals_first_paid_first"),
            models.Index(  # the risk hint about other users with the same receiver
                fields=["open_id", "app_id", "user"], condition=~Q(open_id=""), name="withdrawals_by_receiver"
            ),
        ]
        triggers = [
            Forbid(
                name="withdrawal_begins_unreviewed",
                operation=pgtrigger.Insert,
                condition=_NOT_TO_REVIEW,
                constraint="withdrawal_moves_one_way",
                message="a withdrawal does not go from <NULL> to %",
                values=["NEW.status"],
            ),
            Transitions(
                name="withdrawal_moves_one_way",
                field="status",
                allowed=[
                    (WithdrawalStatus.TO_REVIEW, WithdrawalStatus.PAYING),
                    (WithdrawalStatus.TO_REVIEW, WithdrawalStatus.REJECTED),
                    (WithdrawalStatus.PAYING, WithdrawalStatus.REJECTED),  # blocked before the payout was sent
                    (WithdrawalStatus.PAYING, WithdrawalStatus.PAID),
                    (WithdrawalStatus.PAYING, WithdrawalStatus.FAILED),
                ],
                constraint="withdrawal_moves_one_way",
                message="a withdrawal does not go from % to %",
            ),
            FixedColumns(
                name="withdrawal_request_is_fixed",
                fields=["user", "amount", "asked_at", "asked_day"],
                constraint="withdrawal_request_is_fixed",
                message=_FIXED,
            ),
            FixedColumns(
                name="withdrawal_receiver_is_fixed",
                fields=["open_id", "app_id"],
                # the receiver of an ended withdrawal may be erased, but not replaced
                unless=_RECEIVER_IS_ERASED,
                constraint="withdrawal_request_is_fixed",
                message=_FIXED,
            ),
            FixedColumns(
                name="first_approval_is_fixed",
                fields=["first_approved_by", "first_approved_at"],
                condition="OLD.first_approved_by <> ''",
                constraint="first_approval_is_fixed",
                message="who approved first is not changed afterwards",
            ),
            Rule(
                name="large_withdrawal_has_two_approvals",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                condition=pgtrigger.Condition(_IS_APPROVED_BY_ONE),
                func=with_values(LARGE_WITHDRAWAL_HAS_TWO_APPROVALS, status=WithdrawalStatus),
            ),
        ]

    def __str__(self) -> str:
        values = {"amount": f"{self.amount:,.2f}", "status": self.get_status_display()}
        return gettext("%(amount)s 元 %(status)s") % values

    @property
    def waits_for_second(self) -> bool:
        """Return whether one operator has approved and a second approval is missing."""
        return self.status == self.Status.TO_REVIEW and self.first_approved_at is not None

    @property
    def out_bill_no(self) -> str:
        """Return the number of this withdrawal at WeChat Pay, 32 hexadecimal digits, which never changes."""
        return self.pk.hex

    @property
    def amount_fen(self) -> int:
        """Return the amount in fen, in which WeChat Pay counts."""
        return int(self.amount * 100)


class WithdrawalStep(models.Model):
    """A change of a withdrawal's status with its author, moment and reason. Never changed."""

    withdrawal = models.ForeignKey(Withdrawal, models.PROTECT, related_name="steps", verbose_name=_("提现"))
    from_status = models.SmallIntegerField(_("原状态"), choices=Withdrawal.Status.choices, null=True)
    to_status = models.SmallIntegerField(_("新状态"), choices=Withdrawal.Status.choices)
    taken_at = models.DateTimeField(_("时间"))
    taken_by = models.CharField(_("操作人"), max_length=80)
    reason = models.CharField(_("原因"), max_length=200, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("提现记录"), pgettext_lazy("plural", "提现记录")
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=~Q(taken_by=""), name="step_is_taken_by_somebody")]
        triggers = [append_only()]

    def __str__(self) -> str:
        before = "" if self.from_status is None else self.get_from_status_display()
        return f"{before} → {self.get_to_status_display()}".strip()
