"""The inbox of gateway events."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from config.backoffice.confirm import ask
from config.backoffice.facts import FactsAdmin
from integrations import inbox
from integrations.models import GatewayEvent


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
