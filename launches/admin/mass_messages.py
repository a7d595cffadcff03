"""Pages of mass messages, their jobs and drafts for operators."""

from typing import Any

from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, QuerySet, TextField
from django.db.models.functions import Cast, JSONObject
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.labels import person_label
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin, ReadOnlyInline
from config.backoffice.filters import days
from config.backoffice.queues import QueueAdmin, close_action, register_queue, retry_action
from config.backoffice.readable import shown_message, shown_messages
from config.platform.dates import shanghai_time
from integrations.gateway.payloads import MessageType, summary_of
from launches import mass_message_results, mass_messages, scheduled_sending
from launches.admin.links import message_links_of
from launches.models import (
    MassMessage,
    MassMessageDraft,
    MassMessageGroup,
    ScheduledSending,
)
from robots.models import OutboxMessage, SourceType


def _lines_of_mass_messages(chosen: QuerySet[MassMessage]) -> list[str]:
    """Return a line for each mass message: the person, the time, the number of groups and the beginning of the text."""
    rows = chosen.select_related("user").annotate(group_count=Count("groups"))[:SHOWN]
    groups = gettext("%s 个群")
    return [
        " · ".join(
            [
                person_label(row.user),
                shanghai_time(row.send_at),
                groups % row.group_count,
                " ".join(filter(None, mass_messages.texts_of(row.contents)))[:40] or gettext("图片"),
            ]
        )
        for row in rows
    ]


class MassMessageGroupInline(ReadOnlyInline):
    model = MassMessageGroup
    fields = ("group", "status", "message_links", "settled_at", "reason")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[MassMessageGroup]:
        """Return the parts with their messages, in one query."""
        messages = OutboxMessage.objects.filter(
            source_type=SourceType.MASS_MESSAGE,
            source_id=Cast(OuterRef("mass_message_id"), TextField()),
            group_code=OuterRef("group__code"),
        )
        columns = JSONObject(pk="pk", operation="operation", content="content", status="status")
        parts = super().get_queryset(request).select_related("group")
        return parts.annotate(messages=ArraySubquery(messages.order_by("pk").values(row=columns)))

    @admin.display(description=_("消息"))
    def message_links(self, part: Any) -> str:
        return message_links_of(OutboxMessage(**row) for row in part.messages)


@admin.register(MassMessage)
class MassMessageAdmin(ReadOnlyAdmin):
    list_display = (
        "send_at",
        "user",
        "summary",
        "status",
        "queued_at",
        "recalled_at",
        "recalled_by",
        "created_at",
    )
    list_select_related = ("user",)
    list_filter = ("status", days("send_at", _("发送时间")))
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-send_at", "id")
    reached_from = {"accounts.user": ("user", _("群发"))}
    inlines = (MassMessageGroupInline,)
    fields = (
        "user",
        "shown_contents",
        ("send_at", "slot", "status"),
        ("created_at", "queued_at"),
        ("recalled_at", "recalled_by", "recall_reason"),
    )
    readonly_fields = ("shown_contents",)
    actions = ("stop", "recall", *EXPORTS)

    def is_action_available(self, action: str, obj: Any) -> bool:
        """Return whether the mass message waits for its time (`stop`), or is in the outbox (`recall`)."""
        if not super().is_action_available(action, obj):
            return False
        if action == "stop":
            return obj.status == MassMessage.Status.WAITING and obj.queued_at is None
        return obj.status in (MassMessage.Status.WAITING, MassMessage.Status.SENT) and obj.queued_at is not None

    @confirmed(
        _("停止"),
        permission="launches.stop_massmessage",
        title=_("停止群发"),
        question=_("这些群发不再发送，和用户自己取消一样；用户当天可以另发一条。"),
        form=ReasonForm,
        lines=_lines_of_mass_messages,
        did=_("已停止"),
        why_not=_("已经停止，或已到发送时间（可以撤回）"),
    )
    def stop(self, chosen: Confirmed) -> int:
        return mass_message_results.stop_scheduled(chosen.keys, by=chosen.by, at=chosen.at, **chosen.fields)

    @confirmed(
        _("撤回"),
        permission="launches.stop_massmessage",
        title=_("撤回群发"),
        question=_("还没有发出的消息不再发送，发出不到两分钟的从群里撤回；更早的留在群里。"),
        form=ReasonForm,
        lines=_lines_of_mass_messages,
        did=_("已撤回"),
        why_not=_("还没有到发送时间、已经撤回，或发出超过两分钟"),
    )
    def recall(self, chosen: Confirmed) -> int:
        return mass_message_results.recall_sent(chosen.keys, by=chosen.by, at=chosen.at, **chosen.fields)

    @admin.display(description=_("内容"))
    def summary(self, message: MassMessage) -> str:
        return message.summary

    @admin.display(description=_("内容"))
    def shown_contents(self, message: MassMessage) -> SafeString:
        return shown_messages(message.contents, MessageType)


@admin.register(ScheduledSending)
class ScheduledSendingAdmin(QueueAdmin):
    list_display = ("next_attempt_at", "user", "status", "attempts", "finished_at", "last_error")
    list_select_related = ("mass_message__user",)
    list_filter = ("status", days("next_attempt_at", _("下次尝试")))
    ordering = ("-next_attempt_at", "mass_message_id")
    retry = retry_action(permission="launches.retry_scheduledsending")
    close = close_action(
        permission="launches.retry_scheduledsending",
        question=_("其中失败和等待的群发不再发送，用户看到的结果是失败。"),
        close=lambda chosen, reason: scheduled_sending.close_sendings(chosen.keys, reason=reason, at=chosen.at),
    )

    @admin.display(description=_("用户"))
    def user(self, job: ScheduledSending) -> str:
        return str(job.mass_message.user)


@admin.register(MassMessageDraft)
class MassMessageDraftAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "summary", "expires_at", "completed_at")
    list_select_related = ("user",)
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-created_at", "id")

    fields = ("user", "shown_content", ("created_at", "expires_at", "completed_at"))
    readonly_fields = ("shown_content",)

    @admin.display(description=_("内容"))
    def summary(self, draft: MassMessageDraft) -> str:
        return summary_of(draft.content)

    @admin.display(description=_("内容"))
    def shown_content(self, draft: MassMessageDraft) -> SafeString:
        return shown_message(draft.content, MessageType)


register_queue(ScheduledSending)
