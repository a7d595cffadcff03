"""The admin page of the outbox: the messages, their receivers, their sources, and why they were not sent."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from config.backoffice import dashboard
from config.backoffice.actions import Confirmed, confirmed
from config.backoffice.base import EXPORTS, PreparedPage, ReadOnlyAdmin, ReadOnlyInline
from config.backoffice.filters import among, days, exactly, states
from config.backoffice.queues import register_queue
from config.backoffice.readable import NAMES, row_link, shortened, shown, shown_message
from config.site import short_links
from integrations.gateway.payloads import MessageType
from robots.models import MessageAttempt, OutboxMessage, SourceType
from robots.outbox import failed
from robots.outbox.failures import FAILURES, failure_conditions, failure_text

SEARCH_LIMIT = 200_000  # the newest messages, among which those of a group or a robot are searched
SEND = OutboxMessage.Operation.SEND
_NOT_SENT = Q(status__in=[OutboxMessage.Status.FAILED, OutboxMessage.Status.CLOSED])
_FAILURES = {name: (FAILURES[name].label, _NOT_SENT & found) for name, found in failure_conditions().items()}
_SHOWN = 60  # characters of a message in the list
# The page of the row that a source names; of the other types it is a gateway event.
_PAGES: dict[str, str] = {
    SourceType.LAUNCH: "launches_launch",
    SourceType.MASS_MESSAGE: "launches_massmessage",
    SourceType.MASS_RECALL: "launches_massmessage",
    SourceType.STAR: "accounts_user",
    SourceType.REMINDER: "accounts_user",
    SourceType.CUSTOMER_SERVICE: "accounts_user",
    SourceType.MENTION: "groups_mention",
    SourceType.MENTION_REPLY: "groups_group",
    SourceType.GROUP_CANCELLED: "groups_group",
    SourceType.PULL_BACK: "groups_group",
    SourceType.PROBLEM: "feedback_problem",
    SourceType.PAYOUT: "earnings_payout",
}


class AttemptInline(ReadOnlyInline):
    model = MessageAttempt
    fields = ("tried_at", "outcome", "answer_text")
    readonly_fields = fields

    @admin.display(description=_("网关回答"))
    def answer_text(self, attempt: MessageAttempt) -> str:
        return failure_text(attempt.answer) or "-"


@admin.register(OutboxMessage)
class OutboxMessageAdmin(PreparedPage, ReadOnlyAdmin):
    """The outbox. Failed messages can be sent again or closed."""

    list_display = (
        "created_at",
        "summary",
        "origin",
        "robot",
        "receiver",
        "status",
        "attempts",
        "finished_at",
        "failure",
    )
    list_select_related = ("robot",)
    list_filter = (
        "status",
        states("failure", _("失败原因"), _FAILURES),
        days("finished_at", _("完成或失败时间")),
        among("source_type", _("来源"), SourceType.choices),
        "operation",
        days("created_at", _("创建时间")),
        exactly("robot__code", _("机器人编号")),
    )
    search_fields = ("group_code__exact", "user_code__exact")
    search_help_text = _("完整的群编号或用户编号，在最近 20 万条中查找")
    ordering = ("-id",)
    reached_from = {"robots.robot": ("robot", _("发件箱"))}
    fields = (
        ("operation", "status"),
        "shown_content",
        ("origin", "robot", "receiver"),
        ("created_at", "not_before", "finished_at"),
        ("attempts", "next_attempt_at", "is_held"),
        "failure",
    )
    readonly_fields = ("shown_content", "origin", "receiver", "failure")
    inlines = (AttemptInline,)
    actions = ("retry", "close", *EXPORTS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Limit a search by receiver to the newest messages: an index of receivers would slow the senders down."""
        rows = super().get_queryset(request)
        if not request.GET.keys() & {"q", "robot", "robot_code"}:
            return rows
        newest = OutboxMessage.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        return rows.filter(pk__gt=newest - SEARCH_LIMIT)

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """Add the names of the receiving groups and users."""
        groups = _newest_groups({row.group_code for row in rows if row.group_code})
        users = User.objects.filter(code__in={row.user_code for row in rows if row.user_code}).in_bulk(
            field_name="code"
        )
        for row in rows:
            row.to = groups.get(row.group_code) or users.get(row.user_code)

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and obj.status == OutboxMessage.Status.FAILED

    @admin.display(description=_("内容"))
    def summary(self, message: OutboxMessage) -> str:
        return shortened(message.summary, _SHOWN)

    @admin.display(description=_("来源"))
    def origin(self, message: OutboxMessage) -> str:
        """Return the type of the source, with a link to its row or event."""
        label = message.get_source_type_display()
        if page := _PAGES.get(message.source_type):
            address = reverse(f"admin:{page}_change", args=[message.source_id])
        else:
            address = f"{reverse('admin:integrations_gatewayevent_changelist')}?q={message.source_id}"
        return format_html('<a href="{}">{}</a>', address, label)

    @admin.display(description=_("发给"))
    def receiver(self, message: Any) -> str:
        """Return the name of the group or user, with a link, or its gateway code when it is unknown here."""
        code, row = message.group_code or message.user_code, message.to
        if row is None:
            return code or "-"
        return row_link(row)

    @admin.display(description=_("失败原因"))
    def failure(self, message: OutboxMessage) -> str:
        return failure_text(message.last_error) or "-"

    @admin.display(description=_("内容"))
    def shown_content(self, message: OutboxMessage) -> SafeString:
        content = message.content
        text = shown_message(content, MessageType) if message.operation == SEND else shown(content, NAMES)
        return mark_safe(short_links.without_secret_links(text))  # noqa: S308 - made by format_html; only links change

    @confirmed(
        _("重试"),
        permission="robots.retry_outboxmessage",
        title=_("重新发送"),
        question=_("将重新发送其中发送失败的消息。"),
        did=_("将重新发送"),
        why_not=_("不是发送失败的消息"),
    )
    def retry(self, chosen: Confirmed) -> int:
        return failed.retry_failed(chosen.rows, at=chosen.at)

    @confirmed(
        _("关闭"),
        permission="robots.retry_outboxmessage",
        title=_("放弃发送"),
        question=_("其中发送失败的消息不再发送。"),
        did=_("已放弃"),
        why_not=_("不是发送失败的消息"),
    )
    def close(self, chosen: Confirmed) -> int:
        return failed.close_failed(chosen.rows, by=chosen.by, at=chosen.at)


def _newest_groups(codes: set[str]) -> dict[str, Any]:
    """Return {code: newest binding} of these groups. Groups are above robots, so the model is found by its name."""
    groups: Any = apps.get_model("groups", "Group")
    newest = groups.objects.filter(code__in=codes).order_by("code", "-bound_at", "pk").distinct("code")
    return {group.code: group for group in newest}


def _finished(status: OutboxMessage.Status) -> dashboard.Metric:
    return dashboard.per_day(lambda: OutboxMessage.objects.filter(status=status, operation=SEND), "finished_at")


register_queue(
    OutboxMessage,
    waiting=Q(status=OutboxMessage.Status.WAITING, is_held=False),
    due=lambda now: Q(next_attempt_at__lte=now, not_before__lte=now),
    oldest_by="pk",
    late_after=timedelta(minutes=30),
)
dashboard.register_task(
    _("发送失败的消息"),
    page="robots_outboxmessage",
    query="status__exact=2",
    permission="robots.view_outboxmessage",
    count=dashboard.counted(lambda: OutboxMessage.objects.failed()),
    is_urgent=True,
)
dashboard.register_chart(
    _("消息"),
    permission="robots.view_outboxmessage",
    page="robots_outboxmessage",
    moment="finished_at",
    lines=[
        ("messages.sent", _("已发送"), _finished(OutboxMessage.Status.SENT)),
        ("messages.failed", _("失败"), _finished(OutboxMessage.Status.FAILED)),
    ],
)
