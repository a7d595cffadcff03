"""The inbox of gateway events."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from config.backoffice.confirm import ask
from config.backoffice.facts import FactsAdmin, ListAdmin
from integrations import inbox, moderation
from integrations.models import GatewayEvent, SensitiveWord, TextMessage


@admin.register(GatewayEvent)
class GatewayEventAdmin(FactsAdmin):
    """What the gateway told; what could not be handled can be handled again."""

    list_display = ("id", "received_at", "command", "event_id", "lane", "status", "try_count", "settled_at")
    list_filter = ("status", "command", "received_at")
    search_fields = ("=event_id", "=lane")
    search_help_text = "完整的事件编号,或次序(g:群编号、u:用户编号)"
    ordering = ("-id",)
    actions = ("replay", "export")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("integrations.replay_gatewayevent"))

    @admin.action(description="重新处理", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[GatewayEvent]) -> Any:
        page, _ = ask(
            self,
            request,
            queryset,
            action="replay",
            title="重新处理",
            question="将重新处理其中失败、忽略或未知的事件。",
        )
        if page is not None:
            return page
        now = timezone.now()
        done = [inbox.replay(event, at=now) for event in queryset]
        self.report(request, done=sum(done), chosen=len(done), did="将重新处理", why_not="已处理或正在等待处理")
        return None


@admin.register(TextMessage)
class TextMessageAdmin(FactsAdmin):
    list_display = ("id", "created_at", "__str__", "content", "status", "try_count", "settled_at", "reason")
    list_filter = ("status", "created_at")
    search_fields = ("=phone", "=batch")
    ordering = ("-id",)
    fields = ("batch", "__str__", "content", "status", "created_at", "settled_at", "try_count", "reason")
    readonly_fields = ("__str__",)


@admin.register(SensitiveWord)
class SensitiveWordAdmin(ListAdmin):
    list_display = ("word", "created_at")
    search_fields = ("word",)

    def save_model(self, request: HttpRequest, obj: SensitiveWord, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(moderation.list_changed)

    def delete_model(self, request: HttpRequest, obj: SensitiveWord) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(moderation.list_changed)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SensitiveWord]) -> None:
        super().delete_queryset(request, queryset)
        transaction.on_commit(moderation.list_changed)
