"""Star ratings of groups, and the income of each star."""

from decimal import Decimal

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from config.platform.triggers import Rule
from groups.models.group import Group

# A plan or price that is or was in force is neither changed nor deleted.
_IN_FORCE_STAYS = Rule(
    name="in_force_stays",
    when=pgtrigger.Before,
    operation=pgtrigger.Update | pgtrigger.Delete,
    declare=[("today", "date := (now() AT TIME ZONE 'Asia/Shanghai')::date")],
    func="""
    IF TG_OP = 'UPDATE' AND NEW IS NOT DISTINCT FROM OLD THEN
        RETURN NEW;  -- a dump that is loaded over its own rows
    ELSIF OLD.valid_from <= today THEN
        RAISE EXCEPTION 'what is or was in force since % stays as it is', OLD.valid_from
            USING ERRCODE = 'check_violation', CONSTRAINT = 'in_force_stays';
    ELSIF TG_OP = 'DELETE' THEN
        RETURN OLD;
    ELSIF NEW.valid_from <= today THEN
        RAISE EXCEPTION 'a change begins on a future day, not on %', NEW.valid_from
            USING ERRCODE = 'check_violation', CONSTRAINT = 'in_force_stays';
    END IF;
    RETURN NEW;
""",
)


class RatingState(models.IntegerChoices):
    """Origins of a rating, in the rating system's numbers."""

    UNDEFINED = 0, _("未定义")
    INITIAL = 1, _("初评")
    UPGRADED = 2, _("升级")
    DEGRADED = 3, _("降级")
    CONFIRMED = 4, _("确认")
    MANUAL = 5, _("人工")
    TIMEOUT = 6, _("超时")
    QUIT = 10, _("退出")


class StarRating(models.Model):
    """A rating of a group; the newest rating is the group's star."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="ratings", verbose_name=_("群"))
    star = models.SmallIntegerField(_("星级"))
    state = models.SmallIntegerField(_("状态"), choices=RatingState.choices)
    rated_at = models.DateTimeField(_("评定时间"))

    class Meta:
        verbose_name, verbose_name_plural = _("星级记录"), pgettext_lazy("plural", "星级记录")
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(star__range=(1, 5)), name="rating_is_1_to_5")]
        indexes = [
            models.Index(fields=["group", "-id"], name="ratings_of_group"),
            models.Index(fields=["rated_at"], name="ratings_by_moment"),  # settlement: ratings since a day
        ]

    def __str__(self) -> str:
        return f"{self.star}★"


class StarPlan(models.Model):
    """The daily income of a group of one star, and the number of days; operators edit plans.

    The price of a star is the number of days times the daily profit.
    """

    star = models.SmallIntegerField(_("星级"))
    income_days = models.PositiveSmallIntegerField(_("收益天数"), default=30)
    daily_profit = models.DecimalField(_("每日收益（元）"), max_digits=8, decimal_places=2)
    activity_bonus = models.DecimalField(_("活动奖励（元/天）"), max_digits=8, decimal_places=2, default=Decimal(0))
    valid_from = models.DateField(_("生效日期"))
    valid_to = models.DateField(_("失效日期"), null=True, blank=True, help_text=_("含当日；留空表示一直有效"))

    class Meta:
        verbose_name, verbose_name_plural = _("星级收益方案"), pgettext_lazy("plural", "星级收益方案")
        ordering = ["star", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["star", "valid_from"], name="one_plan_per_star_and_start"),
            models.CheckConstraint(
                condition=Q(star__range=(1, 5)),
                name="plan_star_is_1_to_5",
                violation_error_message=_("星级是 1 到 5。"),
            ),
            models.CheckConstraint(
                condition=Q(daily_profit__gte=0, activity_bonus__gte=0),
                name="plan_pays_nothing_negative",
                violation_error_message=_("收益和奖励不能是负数。"),
            ),
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="plan_ends_after_it_starts",
                violation_error_message=_("失效日期不能早于生效日期。"),
            ),
        ]
        triggers = [_IN_FORCE_STAYS]

    def __str__(self) -> str:
        values = {"star": self.star, "profit": self.daily_profit, "days": self.income_days}
        return gettext("%(star)s★ 每天 %(profit)s 元，%(days)s 天") % values

    @property
    def price(self) -> Decimal:
        """Return the income of all days together, in yuan."""
        return self.daily_profit * self.income_days


class ArticlePrice(models.Model):
    """The income of one article read, in yuan, from a day on; users see it."""

    amount = models.DecimalField(_("单价（元）"), max_digits=6, decimal_places=2)
    valid_from = models.DateField(_("生效日期"), unique=True)

    class Meta:
        verbose_name, verbose_name_plural = _("文章阅读单价"), pgettext_lazy("plural", "文章阅读单价")
        ordering = ["-valid_from"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gte=0),
                name="article_price_not_negative",
                violation_error_message=_("单价不能是负数。"),
            )
        ]
        triggers = [_IN_FORCE_STAYS]

    def __str__(self) -> str:
        return gettext("%s 元") % self.amount
