"""Admin pages of settled days, days of article reads, and the earnings rules."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice.actions import button
from config.backoffice.base import ReadOnlyAdmin
from config.backoffice.filters import days
from config.backoffice.readable import count_column, money_column, percent_column
from earnings import settlement
from earnings.admin.proposals import ProposalAdmin
from earnings.models import ArticleReadDay, EarningsRules, RuleChange, SettlementDay

SHOWN_DAYS = 5


@admin.register(SettlementDay)
class SettlementDayAdmin(ReadOnlyAdmin):
    list_display = (
        "day",
        "settled_at",
        count_column("group_count", _("群数")),
        money_column("owner_total", _("群收益（元）")),
        money_column("referral_total", _("徒弟徒孙收益（元）")),
        money_column("bonus_total", _("活动奖励（元）")),
    )
    list_filter = (days("day", _("日期"), of_moments=False),)
    list_buttons = ("try_a_plan",)

    @button(_("试算收益方案"), permission="groups.add_starplan", opens_page=True)
    def try_a_plan(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:groups_starplan_add"))


@admin.register(ArticleReadDay)
class ArticleReadDayAdmin(ReadOnlyAdmin):
    list_display = (
        "day",
        "settled_at",
        "settled_by",
        count_column("group_count", _("群数")),
        money_column("owner_total", _("阅读收益（元）")),
        money_column("referral_total", _("徒弟徒孙收益（元）")),
    )
    list_filter = (days("day", _("日期"), of_moments=False),)


@admin.register(EarningsRules)
class EarningsRulesAdmin(ProposalAdmin):
    """The one row of rules, changed in place. Only a superuser sets the approval limits and the first settled day."""

    target = RuleChange.Target.RULES

    list_display = (
        "__str__",
        "settle_from",
        money_column("red_packet_min", _("红包下限（元）")),
        money_column("red_packet_max", _("红包上限（元）")),
        money_column("adoption_fee", _("领养费（元/机器人）")),
        percent_column("inviter_share", _("师傅分成")),
        percent_column("grand_inviter_share", _("师爷分成")),
    )
    ordering = ("pk",)
    actions = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (
            () if request.user.is_superuser else ("settle_from", "second_approval_above", "second_operator_above")
        )

    def notice(self) -> str:
        return unsettled_notice()

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        return super().render_change_form(request, {**context, "notice": unsettled_notice()}, *args, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def unsettled_notice() -> str:
    """Return which days keep the rules from changing, or ""."""
    missing = settlement.missed_days(at=timezone.now())
    if not missing:
        return ""
    text = gettext("还有未结算的日期（%(days)s），结算之前不能修改影响收益的规则。")
    return text % {"days": "、".join(f"{day:%Y-%m-%d}" for day in missing[:SHOWN_DAYS])}
