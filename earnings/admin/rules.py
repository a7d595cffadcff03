"""What was settled each day, and the numbers that operators may change."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

from config.backoffice.facts import FactsAdmin, ListAdmin, button
from config.backoffice.filters import days
from earnings.models import ArticleReadDay, EarningsRules, SettlementDay
from earnings.plan_page import try_plan


@admin.register(SettlementDay)
class SettlementDayAdmin(FactsAdmin):
    list_display = ("day", "settled_at", "group_count", "owner_total", "referral_total", "bonus_total")
    list_filter = (days("day", "日期", of_moments=False),)
    list_buttons = ("try_a_plan",)

    @button("试算收益方案", permission="groups.change_starplan")
    def try_a_plan(self, request: HttpRequest) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:earnings_try_plan"))

    def get_urls(self) -> list[Any]:
        """`plan/`: what a change of the plans would pay."""
        page = path("plan/", self.admin_site.admin_view(try_plan), name="earnings_try_plan")
        return [page, *super().get_urls()]


@admin.register(ArticleReadDay)
class ArticleReadDayAdmin(FactsAdmin):
    list_display = ("day", "settled_at", "settled_by", "group_count", "owner_total", "referral_total")
    list_filter = (days("day", "日期", of_moments=False),)


@admin.register(EarningsRules)
class EarningsRulesAdmin(ListAdmin):
    """One row, changed in place. From which amount on two must approve is not for those who approve."""

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
        return () if request.user.is_superuser else ("second_approval_above",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
