"""Models of the settled days and of each group's income per day."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from groups.models import Group


class SettlementDay(models.Model):
    """A settled day. The row and its ledger entries are committed together."""

    day = models.DateField(_("日期"), primary_key=True)
    settled_at = models.DateTimeField(_("结算时间"))
    group_count = models.PositiveIntegerField(_("群数"), default=0)
    owner_total = models.DecimalField(_("群收益（元）"), max_digits=14, decimal_places=2, default=0)
    referral_total = models.DecimalField(_("徒弟徒孙收益（元）"), max_digits=14, decimal_places=2, default=0)
    bonus_total = models.DecimalField(_("活动奖励（元）"), max_digits=14, decimal_places=2, default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("结算日"), pgettext_lazy("plural", "结算日")
        ordering = ["-day"]
        constraints = [
            models.CheckConstraint(
                condition=Q(owner_total__gte=0, referral_total__gte=0, bonus_total__gte=0),
                name="settlement_totals_not_negative",
            )
        ]

    def __str__(self) -> str:
        return f"{self.day}"


class GroupDay(models.Model):
    """A group's income of one day, before rounding down; the record behind the group's `PaidDays`."""

    id = models.BigAutoField(primary_key=True)
    group = models.ForeignKey(Group, models.PROTECT, related_name="group_days", verbose_name=_("群"))
    day = models.DateField(_("日期"))
    star = models.SmallIntegerField(_("星级"), null=True)
    profit = models.DecimalField(_("收益（元）"), max_digits=12, decimal_places=6)
    bonus = models.DecimalField(_("活动奖励（元）"), max_digits=12, decimal_places=6, default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("群结算记录"), pgettext_lazy("plural", "群结算记录")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["day", "group"], name="group_is_paid_once_a_day"),
            models.CheckConstraint(condition=Q(profit__gte=0, bonus__gte=0), name="group_day_not_negative"),
        ]

    def __str__(self) -> str:
        return gettext("%(day)s 收益 %(amount)s 元") % {"day": self.day, "amount": self.profit}


class ArticleReadDay(models.Model):
    """A day with credited article reads. The row and its ledger entries are committed together."""

    day = models.DateField(_("日期"), primary_key=True)
    settled_at = models.DateTimeField(_("结算时间"))
    settled_by = models.CharField(_("提交方"), max_length=100)
    group_count = models.PositiveIntegerField(_("群数"), default=0)
    owner_total = models.DecimalField(_("阅读收益（元）"), max_digits=14, decimal_places=2, default=0)
    referral_total = models.DecimalField(_("徒弟徒孙收益（元）"), max_digits=14, decimal_places=2, default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("文章阅读结算日"), pgettext_lazy("plural", "文章阅读结算日")
        ordering = ["-day"]
        constraints = [
            models.CheckConstraint(
                condition=Q(owner_total__gte=0, referral_total__gte=0), name="read_totals_not_negative"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day}"


class GroupReads(models.Model):
    """A group's reported income from article reads on one day, before rounding down."""

    id = models.BigAutoField(primary_key=True)
    group = models.ForeignKey(Group, models.PROTECT, related_name="read_days", verbose_name=_("群"))
    day = models.DateField(_("日期"))
    amount = models.DecimalField(_("金额（元）"), max_digits=14, decimal_places=6)

    class Meta:
        verbose_name, verbose_name_plural = _("群阅读收益记录"), pgettext_lazy("plural", "群阅读收益记录")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["day", "group"], name="reads_of_group_are_paid_once_a_day"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="group_reads_not_negative"),
        ]

    def __str__(self) -> str:
        return gettext("%(day)s 收益 %(amount)s 元") % {"day": self.day, "amount": self.amount}
