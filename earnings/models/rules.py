"""Models of the earnings rules and of their changes."""

from decimal import Decimal
from typing import TypeAlias

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.constraints import empty, filled
from config.platform.triggers import FixedColumns, Forbid

_DECIDED_ONCE = "a change of what is paid is decided once, as it was asked for"


class EarningsRules(models.Model):
    """The one row of shares and rewards, in yuan or as fractions of 1."""

    red_packet_min = models.DecimalField(
        _("红包下限（元）"), max_digits=6, decimal_places=2, default=Decimal("0.60")
    )
    red_packet_max = models.DecimalField(
        _("红包上限（元）"), max_digits=6, decimal_places=2, default=Decimal("0.70")
    )
    adoption_fee = models.DecimalField(
        _("领养费（元/机器人）"), max_digits=6, decimal_places=2, default=Decimal("0.01")
    )
    inviter_share = models.DecimalField(_("师傅分成"), max_digits=5, decimal_places=4, default=Decimal(1))
    grand_inviter_share = models.DecimalField(_("师爷分成"), max_digits=5, decimal_places=4, default=Decimal("0.5"))
    reads_inviter_share = models.DecimalField(
        _("阅读师傅分成"), max_digits=5, decimal_places=4, default=Decimal("0.125")
    )
    reads_grand_inviter_share = models.DecimalField(
        _("阅读师爷分成"), max_digits=5, decimal_places=4, default=Decimal("0.125")
    )
    legacy_profit = models.DecimalField(
        _("老群日收益基数（元）"), max_digits=6, decimal_places=2, default=Decimal("0.10")
    )
    legacy_profit_owned = models.DecimalField(
        _("老群群主日收益基数（元）"), max_digits=6, decimal_places=2, default=Decimal("0.45")
    )
    legacy_grand_inviter_share = models.DecimalField(
        _("老群师爷分成"), max_digits=5, decimal_places=4, default=Decimal("0.3")
    )
    settle_from = models.DateField(
        _("从哪天起结算"),
        default=timezone.localdate,
        help_text=_("每晚的自动结算不会结算这一天之前的日期；更早的日期只能由运维用命令 settle --date 逐日结算"),
    )
    second_approval_above = models.DecimalField(
        _("超过此金额需两人审核（元）"),
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        default=Decimal(200),
        help_text=_(
            "一名用户待审核的和 24 小时内通过的提现合计计算，超过时要两名不同的运营人员通过才打款；留空表示一人即可"
        ),
    )
    second_operator_above = models.DecimalField(
        _("每晚影响超过此金额的收益变更需两人确认（元）"),
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        default=Decimal(100),
        help_text=_("一人在 24 小时内确认的变更合计计算；留空表示一人即可"),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("收益规则"), pgettext_lazy("plural", "收益规则")
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="one_row_of_rules"),
            models.CheckConstraint(
                condition=Q(red_packet_min__gt=0, red_packet_max__gte=F("red_packet_min"), adoption_fee__gte=0),
                name="red_packet_range_is_a_range",
                violation_error_message=_("红包下限要大于 0，上限不能小于下限，领养费不能是负数。"),
            ),
            models.CheckConstraint(
                condition=Q(
                    inviter_share__gte=0,
                    grand_inviter_share__gte=0,
                    reads_inviter_share__gte=0,
                    reads_grand_inviter_share__gte=0,
                    legacy_grand_inviter_share__gte=0,
                ),
                name="shares_not_negative",
                violation_error_message=_("分成不能是负数。"),
            ),
            models.CheckConstraint(
                condition=Q(second_operator_above__isnull=True) | Q(second_operator_above__gte=0),
                name="second_operator_above_not_negative",
                violation_error_message=_("金额不能是负数。"),
            ),
        ]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)

    @classmethod
    def current(cls) -> "EarningsRules":
        return cls.objects.get(pk=1)


class RuleChangeStatus(models.IntegerChoices):
    WAITING = 0, _("待第二人确认")
    APPLIED = 1, _("已生效")
    REJECTED = 2, _("已拒绝")


class RuleChange(models.Model):
    """A change of one row of the plans, prices or rules, with the values before and after.

    Above `EarningsRules.second_operator_above` a change waits for a second operator; others are applied at once.
    """

    class Target(models.TextChoices):
        PLAN = "plan", _("星级收益方案")
        PRICE = "price", _("文章阅读单价")
        RULES = "rules", _("收益规则")

    Status: TypeAlias = RuleChangeStatus

    target = models.CharField(_("变更对象"), max_length=8, choices=Target.choices)
    row_id = models.BigIntegerField(null=True, blank=True, editable=False)  # null: a row is added
    before = models.JSONField(null=True, blank=True, editable=False)  # {field: text}; null: a row is added
    values = models.JSONField(null=True, blank=True, editable=False)  # {field: text}; null: the row is deleted
    effect = models.DecimalField(_("每晚影响（元）"), max_digits=16, decimal_places=2)
    needs_second = models.BooleanField(_("需两人确认"))
    status = models.SmallIntegerField(_("状态"), choices=Status.choices, default=Status.WAITING)
    asked_at = models.DateTimeField(_("提交时间"))
    asked_by = models.CharField(_("提交人"), max_length=150)
    decided_at = models.DateTimeField(_("确认时间"), null=True, blank=True)
    decided_by = models.CharField(_("确认人"), max_length=150, blank=True)
    reason = models.CharField(_("拒绝原因"), max_length=200, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("收益变更"), pgettext_lazy("plural", "收益变更")
        permissions = [("decide_rulechange", "确认收益变更")]
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=~Q(asked_by=""), name="rule_change_names_who_asked"),
            models.CheckConstraint(
                condition=filled("before", "row_id") | empty("before", "row_id") & filled("values"),
                name="rule_change_changes_something",
            ),
            models.CheckConstraint(
                condition=Q(status=RuleChangeStatus.WAITING, needs_second=True)
                & empty("decided_at", texts=["decided_by"])
                | Q(status__in=[RuleChangeStatus.APPLIED, RuleChangeStatus.REJECTED])
                & filled("decided_at", texts=["decided_by"]),
                name="rule_change_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(status=RuleChangeStatus.APPLIED, needs_second=True, decided_by=F("asked_by")),
                name="large_rule_change_is_of_two_people",
            ),
            models.UniqueConstraint(
                fields=["target", "row_id"],
                condition=Q(status=RuleChangeStatus.WAITING),
                name="one_waiting_change_per_row",
            ),
        ]
        indexes = [models.Index(fields=["status", "-id"], name="rule_changes_by_status")]
        triggers = [
            Forbid(
                name="rule_change_is_kept",
                operation=pgtrigger.Delete,
                constraint="rule_change_stays",
                message=_DECIDED_ONCE,
            ),
            FixedColumns(
                name="rule_change_stays",
                fields=["target", "row_id", "before", "values", "effect", "needs_second", "asked_at", "asked_by"],
                constraint="rule_change_stays",
                message=_DECIDED_ONCE,
            ),
            Forbid(
                name="decided_rule_change_stays",
                operation=pgtrigger.Update,
                condition=f"OLD.status <> {RuleChangeStatus.WAITING}",
                constraint="rule_change_stays",
                message=_DECIDED_ONCE,
            ),
        ]

    def __str__(self) -> str:
        values = {"target": self.get_target_display(), "effect": f"{self.effect:+,.2f}"}
        return gettext("%(target)s，每晚 %(effect)s 元") % values
