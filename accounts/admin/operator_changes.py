"""Admin page of changes of operators who move money: one administrator proposes a change, another one decides it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import operator_changes
from accounts.models import OperatorChange
from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import ReadOnlyAdmin
from config.backoffice.filters import days

_RIGHTS = (("roles", _("角色")), ("is_active", _("启用")), ("is_superuser", _("超级用户")))


def _differences(change: OperatorChange) -> list[tuple[str, str, str]]:
    """Return (label, before, after) of each right that changes."""
    before, after = change.before or operator_changes.NO_RIGHTS, change.values
    if after is None:
        return []
    return [
        (str(label), _display(before[name]), _display(after[name]))
        for name, label in _RIGHTS
        if before[name] != after[name]
    ]


def _display(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("是") if value else gettext("否")
    return "、".join(value) or "-"


def _lines(chosen: QuerySet[OperatorChange]) -> list[str]:
    """Return a line for each change: the person who proposed it, its kind, the operator and the rights that change."""
    rows = chosen[:SHOWN]
    return [f"{row.asked_by}：{row.get_kind_display()} {row.username} {_summary(row)}".rstrip() for row in rows]


def _summary(change: OperatorChange) -> str:
    return "，".join(f"{label} {before} → {after}" for label, before, after in _differences(change))


@admin.register(OperatorChange)
class OperatorChangeAdmin(ReadOnlyAdmin):
    """Changes of operators. Only superusers see and decide changes of superusers."""

    list_display = (
        "asked_at",
        "asked_by",
        "kind",
        "username",
        "summary",
        "status",
        "decided_at",
        "decided_by",
        "reason",
    )
    list_filter = ("status", "kind", days("asked_at", _("提交时间")))
    ordering = ("-id",)
    fields = (
        ("asked_at", "asked_by"),
        ("kind", "username"),
        "comparison",
        "status",
        ("decided_at", "decided_by"),
        "reason",
    )
    readonly_fields = ("comparison",)
    actions = ("confirm", "refuse")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        changes = super().get_queryset(request)
        return changes if request.user.is_superuser else changes.filter(of_superuser=False)

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and obj.status == OperatorChange.Status.WAITING

    @admin.display(description=_("变更"))
    def summary(self, change: OperatorChange) -> str:
        return _summary(change)

    @admin.display(description=_("变更"))
    def comparison(self, change: OperatorChange) -> SafeString:
        rows = format_html_join("", "<tr><th>{}</th><td>{}</td><td>→ {}</td></tr>", _differences(change))
        return format_html("<table>{}</table>", rows)

    @confirmed(
        _("确认变更"),
        permission="accounts.decide_operatorchange",
        title=_("确认运营人员变更"),
        question=_("这些变更将立即生效。请先向提交人以外的人核实；自己提交的要由另一名管理员确认。"),
        lines=_lines,
        did=_("已确认"),
        why_not=_("已经处理或不能由你确认"),
    )
    def confirm(self, chosen: Confirmed) -> int:
        return chosen.call_each(operator_changes.confirm_operator_change)

    @confirmed(
        _("拒绝变更"),
        permission="accounts.decide_operatorchange",
        title=_("拒绝运营人员变更"),
        question=_("这些变更不会生效。自己提交的可以撤回。"),
        lines=_lines,
        form=ReasonForm,
        did=_("已拒绝"),
        why_not=_("已经处理"),
    )
    def refuse(self, chosen: Confirmed) -> int:
        return chosen.call_each(operator_changes.refuse_operator_change)


dashboard.register_task(
    _("待确认的运营人员变更"),
    page="accounts_operatorchange",
    query="status__exact=0",
    permission="accounts.view_operatorchange",
    count=dashboard.counted(lambda: OperatorChange.objects.filter(status=OperatorChange.Status.WAITING)),
    is_urgent=True,
)
