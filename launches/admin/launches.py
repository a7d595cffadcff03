"""Pages of launches, deliveries and reports of results for operators."""

from typing import Any

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin
from config.backoffice.filters import days, states
from config.backoffice.queues import QueueAdmin, close_action, register_queue, retry_action
from config.backoffice.readable import shown_messages
from config.platform.dates import shanghai_time
from integrations.gateway.calls import SYSTEM
from launches import launch_control
from launches.admin.links import message_links_of
from launches.launch_intake import SWITCHED_OFF
from launches.models import (
    Delivery,
    Launch,
    LaunchItemType,
    ResultReport,
)
from robots.outbox.failures import failure_text

_NOT_SENT = Q(status__in=[Delivery.Status.FAILED, Delivery.Status.SKIPPED])
_REASONS = {
    "off": (_("投放开关已关闭"), _NOT_SENT & Q(reason=SWITCHED_OFF)),
    "group": (_("没有这个群，或群已注销"), _NOT_SENT & Q(reason__contains="群")),
    "robot": (_("机器人不可用"), _NOT_SENT & Q(reason__startswith="机器人")),
    "cancelled": (_("投放已取消"), _NOT_SENT & Q(reason__startswith="投放已取消")),
    "gateway": (_("网关出错或拒绝"), _NOT_SENT & Q(reason__startswith=f"{SYSTEM}: ")),
}


def _lines(chosen: QuerySet[Launch]) -> list[str]:
    """Return a line for each launch with its groups and those that wait."""
    text = gettext("%(task)s：共 %(planned)s 个群，待发送 %(waiting)s")
    return [
        text
        % {
            "task": f"{launch.summary}（{launch.task_id}）",
            "planned": launch.planned_count,
            "waiting": launch.waiting_count,
        }
        for launch in chosen[:SHOWN]
    ]


@admin.register(Launch)
class LaunchAdmin(ReadOnlyAdmin):
    """Launches with their progress. The counts are columns of the table, so a page needs no query per launch."""

    list_display = (
        "received_at",
        "summary",
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
    fields = (
        ("task_id", "status"),
        "shown_items",
        ("planned_count", "waiting_count", "sent_count", "failed_count", "skipped_count"),
        ("received_at", "received_by", "finished_at"),
        ("paused_at", "paused_by"),
        ("cancelled_at", "cancelled_by", "cancel_reason"),
    )
    readonly_fields = ("waiting_count", "shown_items")
    actions = ("pause", "resume", "cancel", *EXPORTS)

    def is_action_available(self, action: str, obj: Any) -> bool:
        running = (Launch.Status.RUNNING,)
        statuses = {"pause": running, "resume": (Launch.Status.PAUSED,)}
        return super().is_action_available(action, obj) and obj.status in statuses.get(
            action, (*running, Launch.Status.PAUSED)
        )

    @admin.display(description=_("内容"))
    def summary(self, launch: Launch) -> str:
        return launch.summary

    @admin.display(description=_("内容"))
    def shown_items(self, launch: Launch) -> SafeString:
        return shown_messages(launch.items, LaunchItemType)

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


class DeliveryStates(admin.SimpleListFilter):
    """A filter by status. Waiting deliveries, of which there is no index, are found by the launches that have some."""

    title = _("状态")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return [(str(value), label) for value, label in Delivery.Status.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        if value not in map(str, Delivery.Status.values):
            return queryset.none()
        if value != str(Delivery.Status.WAITING):
            return queryset.filter(status=value)
        ended = F("sent_count") + F("failed_count") + F("skipped_count")
        open_launches = Launch.objects.exclude(status=Launch.Status.FINISHED).filter(planned_count__gt=ended)
        return queryset.filter(status=value, launch__in=list(open_launches.values_list("pk", flat=True)))


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("of_launch", "group", "status", "settled_at", "shown_reason", "reported_at")
    list_select_related = ("launch", "group", "report")
    list_filter = (
        DeliveryStates,
        states("why", _("原因"), _REASONS),
        days("settled_at", _("完成时间")),
    )
    search_fields = ("group__code__exact", "launch__task_id__exact")
    search_help_text = _("完整的群编号或任务编号")
    ordering = ("-id",)
    reached_from = {"launches.launch": ("launch", _("投放明细")), "groups.group": ("group", _("投放明细"))}
    fields = (
        ("launch", "group"),
        ("status", "settled_at", "shown_reason"),
        "message_links",
        "reported_at",
        ("group_code", "reference", "user"),
    )
    readonly_fields = ("message_links", "reported_at", "shown_reason")

    @admin.display(description=_("投放"))
    def of_launch(self, delivery: Delivery) -> str:
        return str(delivery.launch)

    @admin.display(description=_("原因"))
    def shown_reason(self, delivery: Delivery) -> str:
        return failure_text(delivery.reason) or "-"

    @admin.display(description=_("消息"))
    def message_links(self, delivery: Delivery) -> str:
        return message_links_of(delivery.messages())

    @admin.display(description=_("回报时间"))
    def reported_at(self, delivery: Delivery) -> str:
        """Return when the launch system last accepted a result."""
        report: ResultReport | None = getattr(delivery, "report", None)
        return shanghai_time(report.reported_at) if report and report.reported_at else "-"


@admin.register(ResultReport)
class ResultReportAdmin(QueueAdmin):
    """The reports of results to the launch system, repeated until it accepts them."""

    list_display = ("delivery", "launch", "status", "attempts", "next_attempt_at", "reported_at", "last_error")
    list_select_related = ("delivery__launch", "delivery__group")
    list_filter = ("status",)
    ordering = ("-delivery_id",)
    retry = retry_action(permission="launches.retry_resultreport")
    close = close_action(permission="launches.retry_resultreport")

    @admin.display(description=_("投放"))
    def launch(self, report: ResultReport) -> str:
        return str(report.delivery.launch)


register_queue(ResultReport)
