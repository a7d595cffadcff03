"""The numbers of earning that operators may change."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class EarningsRules(models.Model):
    """One row: shares and rewards, all in yuan or as shares of 1."""

    red_packet_min = models.DecimalField("红包下限(元)", max_digits=6, decimal_places=2, default=Decimal("0.60"))
    red_packet_max = models.DecimalField("红包上限(元)", max_digits=6, decimal_places=2, default=Decimal("0.70"))
    adoption_fee = models.DecimalField("领养费(元/机器人)", max_digits=6, decimal_places=2, default=Decimal("0.01"))
    inviter_share = models.DecimalField("师傅分成", max_digits=5, decimal_places=4, default=Decimal(1))
    grand_inviter_share = models.DecimalField("师爷分成", max_digits=5, decimal_places=4, default=Decimal("0.5"))
    reads_inviter_share = models.DecimalField(
        "阅读师傅分成", max_digits=5, decimal_places=4, default=Decimal("0.125")
    )
    reads_grand_inviter_share = models.DecimalField(
        "阅读师爷分成", max_digits=5, decimal_places=4, default=Decimal("0.125")
    )
    legacy_profit = models.DecimalField(
        "老群日收益基数(元)", max_digits=6, decimal_places=2, default=Decimal("0.10")
    )
    legacy_profit_owned = models.DecimalField(
        "老群群主日收益基数(元)", max_digits=6, decimal_places=2, default=Decimal("0.45")
    )
    legacy_grand_inviter_share = models.DecimalField(
        "老群师爷分成", max_digits=5, decimal_places=4, default=Decimal("0.3")
    )
    settle_from = models.DateField(
        "从哪天起结算",
        default=timezone.localdate,
        help_text="每晚的自动结算不会结算这一天之前的日期;更早的日期只能由运维用命令 settle --date 逐日结算",
    )
    second_approval_above = models.DecimalField(
        "超过此金额需两人审核(元)",
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        default=Decimal(200),
        help_text="更大的提现要两名不同的运营人员通过才打款;留空表示一人即可",
    )

    class Meta:
        verbose_name = verbose_name_plural = "收益规则"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="one_row_of_rules"),
            models.CheckConstraint(
                condition=Q(red_packet_min__gt=0, red_packet_max__gte=F("red_packet_min"), adoption_fee__gte=0),
                name="red_packet_range_is_a_range",
                violation_error_message=_("红包下限要大于 0,上限不能小于下限,领养费不能是负数。"),
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
        ]

    def __str__(self) -> str:
        return str(self._meta.verbose_name)

    @classmethod
    def current(cls) -> "EarningsRules":
        return cls.objects.get(pk=1)
