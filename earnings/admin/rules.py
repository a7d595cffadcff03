"""Admin pages of settled days, days of article reads, and the earnings rules."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from config.backoffice.actions import button
from config.backoffice.base import ReadOnlyAdmin
from config.backoffice.filters import days
from earnings.admin.proposals import ProposalAdmin
from earnings.models import ArticleReadDay, EarningsRules, RuleChange, SettlementDay


@admin.register(SettlementDay)
class SettlementDayAdmin(ReadOnlyAdmin):
    list_display = ("day", "settled_at", "group_count", "owner_total", "referral_total", "bonus_total")
    list_filter = (days("day", _("日期"), of_moments=False),)
    list_buttons = ("try_a_plan",)

    @button(_("试算收益方案"), permission="groups.add_starplan", opens_page=True)
    def try_a_plan(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:groups_starplan_add"))


@admin.register(ArticleReadDay)
class ArticleReadDayAdmin(ReadOnlyAdmin):
    list_display = ("day", "settled_at", "settled_by", "group_count", "owner_total", "referral_total")
    list_filter = (days("day", _("日期"), of_moments=False),)


@admin.register(EarningsRules)
class EarningsRulesAdmin(ProposalAdmin):
    """The one row of rules, changed in place. Only a superuser sets the approval limits and the first settled day."""

    target = RuleChange.Target.RULES

    list_display = (
        "__str__",
        "settle_from",
        "red_packet_min",
        "red_packet_max",
        "adoption_fee",
        "inviter_share",
        "grand_inviter_share",
    )
    ordering = ("pk",)
    actions = ()

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (
            () if request.user.is_superuser else ("settle_from", "second_approval_above", "second_operator_above")
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
