"""Groups, their ratings, and what stars are worth."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from config.backoffice.confirm import ask
from config.backoffice.facts import FactsAdmin, FactsInline, ListAdmin
from groups import cancelling
from groups.models import (
    ArticlePrice,
    CancelJob,
    CancelReason,
    Group,
    GroupMessage,
    GroupStatistics,
    Mention,
    StarPlan,
    StarRating,
)


class RatingInline(FactsInline):
    model = StarRating
    fields = ("rated_at", "star", "state")
    readonly_fields = fields


class CancelForm(forms.Form):
    reason = forms.TypedChoiceField(
        label="注销原因", choices=CancelReason.choices, initial=CancelReason.OPERATOR, coerce=int
    )


@admin.register(Group)
class GroupAdmin(FactsAdmin):
    list_display = (
        "name",
        "code",
        "user",
        "robot",
        "star",
        "is_legacy",
        "member_count",
        "settle_count",
        "launch_switch",
        "bound_at",
        "cancelled_at",
        "cancel_reason",
    )
    list_select_related = ("user", "robot")
    list_filter = (
        ("cancelled_at", admin.EmptyFieldListFilter),
        "star",
        "is_legacy",
        "cancel_reason",
        "launch_switch",
        "robot",
        "bound_at",
    )
    search_fields = ("name", "=code", "user__nickname", "=user__code")
    search_help_text = "群名、用户昵称,或完整的网关编号"
    ordering = ("-bound_at", "id")
    inlines = (RatingInline,)
    actions = ("cancel", "export")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("groups.cancel_group"))

    @admin.action(description="注销群", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Group]) -> Any:
        page, said = ask(
            self,
            request,
            queryset,
            action="cancel",
            title="注销群",
            question="机器人将退出这些群,不再收益和发送;未发出的消息一并取消。此操作不可撤销。",
            form=CancelForm,
        )
        if page is not None:
            return page
        ids = list(queryset.values_list("pk", flat=True))
        reason, by = CancelReason(said["reason"]), request.user.get_username()
        done = cancelling.cancel(group_ids=ids, reason=reason, by=by, at=timezone.now())
        self.report(request, done=done, chosen=len(ids), did="已注销", why_not="之前已经注销")
        return None


@admin.register(StarPlan)
class StarPlanAdmin(ListAdmin):
    list_display = (
        "star",
        "income_days",
        "daily_profit",
        "activity_bonus",
        "valid_from",
        "valid_to",
        "price",
    )
    list_filter = ("star",)

    @admin.display(description="总价(元)")
    def price(self, plan: StarPlan) -> Any:
        return plan.price


@admin.register(ArticlePrice)
class ArticlePriceAdmin(ListAdmin):
    list_display = ("valid_from", "amount")


@admin.register(CancelJob)
class CancelJobAdmin(FactsAdmin):
    list_display = ("asked_at", "asked_by", "reason", "__str__", "cancelled_count", "done_at")
    list_filter = (("done_at", admin.EmptyFieldListFilter), "reason", "asked_at")
    fields = ("asked_at", "asked_by", "reason", "position", "cancelled_count", "done_at")


@admin.register(GroupMessage)
class GroupMessageAdmin(FactsAdmin):
    list_display = ("sent_at", "group", "sender_code", "is_robot", "words")
    list_select_related = ("group",)
    list_filter = ("is_robot", "sent_at")
    search_fields = ("=group__code", "=sender_code")


@admin.register(GroupStatistics)
class GroupStatisticsAdmin(FactsAdmin):
    list_display = ("day", "group", "member_count", "joined_count", "left_count", "speaker_count")
    list_select_related = ("group",)
    list_filter = ("day",)
    search_fields = ("=group__code", "group__name")


@admin.register(Mention)
class MentionAdmin(FactsAdmin):
    list_display = ("mentioned_at", "group", "message", "read_at")
    list_select_related = ("group", "message")
    list_filter = (("read_at", admin.EmptyFieldListFilter), "mentioned_at")
    search_fields = ("=group__code",)
