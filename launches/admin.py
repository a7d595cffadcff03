"""Pages of launches, deliveries, mass messages and drafts for operators."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Count, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast, JSONObject
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.labels import person_label
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin, ReadOnlyInline
from config.backoffice.filters import days, states
from config.backoffice.queues import QueueAdmin, close_action, register_queue, retry_action
from config.platform.dates import shanghai_time
from launches import launch_control, mass_message_results, mass_messages, scheduled_sending
from launches.models import (
    Delivery,
    Launch,
    MassMessage,
    MassMessageDraft,
    MassMessageGroup,
    ResultReport,
    ScheduledSending,
)
from robots.models import OutboxMessage, SourceType

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


def _lines(chosen: QuerySet[Launch]) -> list[str]:
    """Return a line for each launch with its groups and those that wait."""
    text = gettext("%(task)s：共 %(planned)s 个群，待发送 %(waiting)s")
    return [
        text % {"task": launch.task_id, "planned": launch.planned_count, "waiting": launch.waiting_count}
        for launch in chosen[:SHOWN]
    ]


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
    list_filter = ("status", days("received_at", _("接收时间")))
    search_fields = ("task_id__exact",)
    found_by = search_fields
    search_help_text = _("完整的任务编号")
    ordering = ("-received_at", "id")
    row_actions = ("pause", "resume")
    actions = ("pause", "resume", "cancel", *EXPORTS)

    def is_action_available(self, action: str, obj: Any) -> bool:
        running = (Launch.Status.RUNNING,)
        statuses = {"pause": running, "resume": (Launch.Status.PAUSED,)}
        return super().is_action_available(action, obj) and obj.status in statuses.get(
            action, (*running, Launch.Status.PAUSED)
        )

    @admin.display(description=_("待发送"))
    def waiting_count(self, launch: Launch) -> int:
        return launch.waiting_count

    @confirmed(
        _("暂停"),
        permission="launches.pause_launch",
        title=_("暂停投放"),
        question=_("未发出的消息将停止发送，直到恢复。"),
        lines=_lines,
        did=_("已暂停"),
        why_not=_("不在投放中"),
    )
    def pause(self, chosen: Confirmed) -> int:
        with launch_control.lock_launches(chosen.keys) as launches:
            return sum(
                launch_control.pause_launch(launch=launch, by=chosen.by, at=chosen.at) for launch in launches
            )

    @confirmed(
        _("恢复"),
        permission="launches.resume_launch",
        title=_("恢复投放"),
        question=_("从停下的地方继续，已发出的不会重发。"),
        lines=_lines,
        did=_("已恢复"),
        why_not=_("没有暂停"),
    )
    def resume(self, chosen: Confirmed) -> int:
        with launch_control.lock_launches(chosen.keys) as launches:
            return sum(launch_control.resume_launch(launch=launch, at=chosen.at) for launch in launches)

    @confirmed(
        _("取消"),
        permission="launches.cancel_launch",
        title=_("取消投放"),
        question=_("未发出的不再发送，并作为未发送回报给投放系统。此操作不可撤销。"),
        form=ReasonForm,
        lines=_lines,
        did=_("已取消"),
        why_not=_("已经完成或取消"),
    )
    def cancel(self, chosen: Confirmed) -> int:
        fields = {"by": chosen.by, "at": chosen.at, **chosen.fields}
        with launch_control.lock_launches(chosen.keys) as launches:
            return sum(launch_control.cancel_launch(launch=launch, **fields) for launch in launches)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("launch", "group_code", "group", "status", "settled_at", "reason", "reported_at")
    list_select_related = ("launch", "group", "report")
    list_filter = (states("status", _("状态"), _END_STATES),)
    search_fields = ("group__code__exact", "launch__task_id__exact")
    search_help_text = _("完整的群编号或任务编号")
    ordering = ("-id",)
    reached_from = {"launches.launch": ("launch", _("投放明细")), "groups.group": ("group", _("投放明细"))}
    readonly_fields = ("message_links", "reported_at")

    @admin.display(description=_("消息"))
    def message_links(self, delivery: Delivery) -> str:
        return _links_to(delivery.messages())

    @admin.display(description=_("回报时间"))
    def reported_at(self, delivery: Delivery) -> datetime | None:
        """Return when the launch system last accepted a result."""
        report: ResultReport | None = getattr(delivery, "report", None)
        return report.reported_at if report else None


@admin.register(ResultReport)
class ResultReportAdmin(QueueAdmin):
    """The reports of results to the launch system, repeated until it accepts them."""

    list_display = ("delivery", "launch", "status", "attempts", "next_attempt_at", "reported_at", "last_error")
    list_select_related = ("delivery__launch",)
    list_filter = ("status",)
    ordering = ("-delivery_id",)
    retry = retry_action(permission="launches.retry_resultreport")
    close = close_action(permission="launches.retry_resultreport")

    @admin.display(description=_("投放"))
    def launch(self, report: ResultReport) -> str:
        return str(report.delivery.launch)


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
        columns = JSONObject(pk="pk", message_no="message_no", status="status")
        parts = super().get_queryset(request).select_related("group")
        return parts.annotate(messages=ArraySubquery(messages.order_by("pk").values(row=columns)))

    @admin.display(description=_("消息"))
    def message_links(self, part: Any) -> str:
        return _links_to(
            OutboxMessage(pk=row["pk"], message_no=row["message_no"], status=row["status"]) for row in part.messages
        )


@admin.register(MassMessage)
class MassMessageAdmin(ReadOnlyAdmin):
    list_display = ("send_at", "user", "status", "queued_at", "recalled_at", "recalled_by", "created_at")
    list_select_related = ("user",)
    list_filter = ("status", days("send_at", _("发送时间")))
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-send_at", "id")
    reached_from = {"accounts.user": ("user", _("群发"))}
    inlines = (MassMessageGroupInline,)
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
    list_display = ("created_at", "user", "expires_at", "completed_at")
    list_select_related = ("user",)
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-created_at", "id")


register_queue(ScheduledSending)
register_queue(ResultReport)
