"""Robots, their quotas, and everything they say."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from config.backoffice.confirm import ask
from config.backoffice.facts import FactsAdmin, FactsInline
from robots import dead_letters
from robots.models import Friendship, MessageAttempt, OutboxMessage, Robot, RobotDay, Scan


@admin.register(Robot)
class RobotAdmin(FactsAdmin):
    list_display = (
        "name",
        "code",
        "wechat_no",
        "channel",
        "status",
        "group_count",
        "created_at",
        "banned_at",
    )
    list_filter = ("status", "channel")
    search_fields = ("name", "=code", "=wechat_no")
    ordering = ("-created_at", "id")
    actions = ("make_assignable", "make_undistributable", "export")

    def has_assign_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("robots.assign_robot"))

    @admin.action(description="设为可分配", permissions=["assign"])
    def make_assignable(self, request: HttpRequest, queryset: QuerySet[Robot]) -> None:
        self._set(request, queryset, Robot.Status.UNDISTRIBUTABLE, Robot.Status.ASSIGNABLE)

    @admin.action(description="设为不可分配", permissions=["assign"])
    def make_undistributable(self, request: HttpRequest, queryset: QuerySet[Robot]) -> None:
        self._set(request, queryset, Robot.Status.ASSIGNABLE, Robot.Status.UNDISTRIBUTABLE)

    def _set(self, request: HttpRequest, queryset: QuerySet[Robot], before: int, after: int) -> None:
        chosen = queryset.count()
        done = queryset.filter(status=before).update(status=after)
        self.report(request, done=done, chosen=chosen, did="已设置", why_not="已是该状态,或机器人已移除、封号")


@admin.register(RobotDay)
class RobotDayAdmin(FactsAdmin):
    list_display = ("day", "robot", "quota", "bound_count", "shown_count")
    list_select_related = ("robot",)
    list_filter = ("day", "robot")


@admin.register(Scan)
class ScanAdmin(FactsAdmin):
    list_display = ("assigned_at", "union_id", "robot", "inviter", "channel", "scanned_at")
    list_select_related = ("robot", "inviter")
    list_filter = ("channel", "robot", "assigned_at")
    search_fields = ("=union_id", "inviter__nickname")


@admin.register(Friendship)
class FriendshipAdmin(FactsAdmin):
    list_display = ("befriended_at", "user", "robot")
    list_select_related = ("user", "robot")
    list_filter = ("robot", "befriended_at")
    search_fields = ("user__nickname", "=user__code")


class AttemptInline(FactsInline):
    model = MessageAttempt
    fields = ("tried_at", "outcome", "answer")
    readonly_fields = fields


@admin.register(OutboxMessage)
class OutboxMessageAdmin(FactsAdmin):
    """What robots were told to say; what failed for good can be sent again."""

    list_display = (
        "id",
        "created_at",
        "operation",
        "robot",
        "group_code",
        "user_code",
        "status",
        "try_count",
        "reason",
    )
    list_select_related = ("robot",)
    list_filter = ("status", "operation", "robot", "created_at")
    search_fields = ("=group_code", "=user_code", "=message_no")
    ordering = ("-id",)
    inlines = (AttemptInline,)
    actions = ("retry", "export")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("robots.retry_outboxmessage"))

    @admin.action(description="重新发送失败的消息", permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[OutboxMessage]) -> Any:
        page, _ = ask(
            self,
            request,
            queryset,
            action="retry",
            title="重新发送",
            question="将重新发送其中发送失败的消息。",
        )
        if page is not None:
            return page
        chosen = queryset.count()
        done = dead_letters.retry(queryset, at=timezone.now())
        self.report(request, done=done, chosen=chosen, did="将重新发送", why_not="不是发送失败的消息")
        return None
