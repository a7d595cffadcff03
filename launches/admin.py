"""Pages of launches, deliveries, mass messages and drafts for operators."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Concat, JSONObject
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from config.backoffice.actions import ReasonForm, confirmation
from config.backoffice.base import EXPORTS, ReadOnlyAdmin, ReadOnlyInline, permission_check
from config.backoffice.filters import days, states
from launches import launch_control
from launches.models import Delivery, Launch, MassMessage, MassMessageDraft, MassMessageGroup
from robots.models import OutboxMessage

_END_STATES = {
    str(end.value): (end.label, Q(status=end)) for end in Delivery.Status if end != Delivery.Status.WAITING
}


def _links_to(messages: Iterable[OutboxMessage]) -> str:
    """Return a line per message, with a link to the page that shows its attempts."""
    page = "admin:robots_outboxmessage_change"
    return format_html_join(
        mark_safe("<br>"),
        '<a href="{}">{}</a> {}',
        ((reverse(page, args=[message.pk]), message, message.get_status_display()) for message in messages),
    )


@admin.register(Launch)
class LaunchAdmin(ReadOnlyAdmin):
    """Launches with their progress. The counts are columns of the table, so a page needs no query per launch."""

    list_display = (
        "received_at",
        "task_id",
        "status",
        "planned_count",
        "waiting_count",
        "sent_count",
        "failed_count",
        "skipped_count",
        "received_by",
        "finished_at",
    )
    list_filter = ("status", days("received_at", "接收时间"))
    search_fields = ("task_id__exact",)
    search_help_text = "完整的任务编号"
    ordering = ("-received_at", "id")
    actions = ("pause", "resume", "cancel", *EXPORTS)
    has_pause_permission = permission_check("launches.pause_launch")
    has_resume_permission = permission_check("launches.resume_launch")
    has_cancel_permission = permission_check("launches.cancel_launch")

    def is_action_available(self, action: str, obj: Any) -> bool:
        running = (Launch.Status.RUNNING,)
        statuses = {"pause": running, "resume": (Launch.Status.PAUSED,)}
        return super().is_action_available(action, obj) and obj.status in statuses.get(
            action, (*running, Launch.Status.PAUSED)
        )

    @admin.display(description="待发送")
    def waiting_count(self, launch: Launch) -> int:
        return launch.waiting_count

    @admin.action(description="暂停", permissions=["pause"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Launch]) -> Any:
        page, _form_data, keys = self._confirmation(
            request, queryset, "pause", "暂停投放", "未发出的消息将停止发送,直到恢复。"
        )
        if page is not None:
            return page
        by, at = request.user.get_username(), timezone.now()
        with launch_control.lock_launches(keys) as launches:
            done = sum(launch_control.pause_launch(launch=launch, by=by, at=at) for launch in launches)
        self.report(request, done=done, chosen=len(keys), did="已暂停", why_not="不在投放中")
        return None

    @admin.action(description="恢复", permissions=["resume"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Launch]) -> Any:
        page, _form_data, keys = self._confirmation(
            request, queryset, "resume", "恢复投放", "从停下的地方继续,已发出的不会重发。"
        )
        if page is not None:
            return page
        at = timezone.now()
        with launch_control.lock_launches(keys) as launches:
            done = sum(launch_control.resume_launch(launch=launch, at=at) for launch in launches)
        self.report(request, done=done, chosen=len(keys), did="已恢复", why_not="没有暂停")
        return None

    @admin.action(description="取消", permissions=["cancel"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Launch]) -> Any:
        question = "未发出的不再发送,并作为未发送回报给投放系统。此操作不可撤销。"
        page, form_data, keys = self._confirmation(request, queryset, "cancel", "取消投放", question, ReasonForm)
        if page is not None:
            return page
        by, at = request.user.get_username(), timezone.now()
        with launch_control.lock_launches(keys) as launches:
            done = sum(
                launch_control.cancel_launch(launch=launch, by=by, reason=form_data["reason"], at=at)
                for launch in launches
            )
        self.report(request, done=done, chosen=len(keys), did="已取消", why_not="已经完成或取消")
        return None

    def _confirmation(
        self,
        request: HttpRequest,
        queryset: QuerySet[Launch],
        action: str,
        title: str,
        question: str,
        form: type[forms.Form] | None = None,
    ) -> tuple[Any, dict[str, Any], list[Any]]:
        lines = [
            _("%(task)s:共 %(planned)s 个群,待发送 %(waiting)s")
            % {"task": launch.task_id, "planned": launch.planned_count, "waiting": launch.waiting_count}
            for launch in queryset[:20]
        ]
        extra: Any = {"form": form} if form else {}
        return confirmation(
            self, request, queryset, action=action, title=title, question=question, lines=lines, **extra
        )


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("launch", "group_code", "group", "status", "settled_at", "reason", "reported_at")
    list_select_related = ("launch", "group")
    list_filter = (states("status", "状态", _END_STATES),)
    search_fields = ("group__code__exact", "launch__task_id__exact")
    search_help_text = "完整的群编号或任务编号"
    ordering = ("-id",)
    reached_from = {"launches.launch": ("launch", "投放明细"), "groups.group": ("group", "投放明细")}
    readonly_fields = ("message_links",)

    @admin.display(description="消息")
    def message_links(self, delivery: Delivery) -> str:
        return _links_to(delivery.messages())


class MassMessageGroupInline(ReadOnlyInline):
    model = MassMessageGroup
    fields = ("group", "status", "message_links", "settled_at", "reason")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[MassMessageGroup]:
        """Return the parts with their messages, in one query."""
        messages = OutboxMessage.objects.filter(
            cause=Concat(Value("mass_message:"), OuterRef("mass_message_id"), output_field=TextField()),
            group_code=OuterRef("group__code"),
        )
        columns = JSONObject(pk="pk", message_no="message_no", status="status")
        parts = super().get_queryset(request).select_related("group")
        return parts.annotate(messages=ArraySubquery(messages.order_by("pk").values(row=columns)))

    @admin.display(description="消息")
    def message_links(self, part: Any) -> str:
        return _links_to(
            OutboxMessage(pk=row["pk"], message_no=row["message_no"], status=row["status"]) for row in part.messages
        )


@admin.register(MassMessage)
class MassMessageAdmin(ReadOnlyAdmin):
    list_display = ("send_at", "user", "status", "queued_at", "recalled_at", "created_at")
    list_select_related = ("user",)
    list_filter = ("status", days("send_at", "发送时间"))
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = "手机号的任意几位、昵称的开头,或完整的网关编号"
    ordering = ("-send_at", "id")
    reached_from = {"accounts.user": ("user", "群发")}
    inlines = (MassMessageGroupInline,)


@admin.register(MassMessageDraft)
class MassMessageDraftAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "expires_at", "completed_at")
    list_select_related = ("user",)
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = "手机号的任意几位、昵称的开头,或完整的网关编号"
    ordering = ("-created_at", "id")
