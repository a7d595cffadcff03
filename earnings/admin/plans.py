"""Admin pages of star plans, article prices and rule changes."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice import dashboard
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin
from config.backoffice.filters import among, days
from config.platform.dates import day_of
from earnings import rule_changes
from earnings.admin.proposals import DatedForm, ProposalAdmin, differences
from earnings.models import RuleChange
from groups.models import ArticlePrice, StarPlan
from groups.stars import STARS, PlanGap, gaps_in_plans

_STARS = [(star, f"{star}★") for star in STARS]


def gaps() -> list[PlanGap]:
    """Return the days from today on for which a star has no plan."""
    return gaps_in_plans(since=day_of(timezone.now()))


class DatedAdmin(ProposalAdmin):
    """Rows with a first day. Rows in force are read-only; rows of a future day can be changed or deleted."""

    form = DatedForm

    def _is_future(self, obj: Any) -> bool:
        return bool(obj.valid_from > day_of(timezone.now()))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or self._is_future(obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and obj is not None and self._is_future(obj)


@admin.register(StarPlan)
class StarPlanAdmin(DatedAdmin):
    target = RuleChange.Target.PLAN
    list_display = (
        "star",
        "income_days",
        "daily_profit",
        "activity_bonus",
        "valid_from",
        "valid_to",
        "price",
    )
    list_filter = (among("star", _("星级"), _STARS),)

    @admin.display(description=_("总价（元）"))
    def price(self, plan: StarPlan) -> Any:
        return plan.price

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "star":
            return forms.TypedChoiceField(label=db_field.verbose_name, choices=_STARS, coerce=int)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "GET":
            for gap in gaps():
                self.message_user(request, gettext("没有收益方案：%s") % str(gap), messages.WARNING)
        return super().changelist_view(request, extra_context)


@admin.register(ArticlePrice)
class ArticlePriceAdmin(DatedAdmin):
    target = RuleChange.Target.PRICE
    list_display = ("valid_from", "amount")


def _line(change: RuleChange) -> str:
    rows = differences(change)
    if change.before is None:
        return "，".join(f"{label} {after}" for label, _before, after in rows)
    return "，".join(f"{label} {before} → {after}" for label, before, after in rows)


def _lines(chosen: QuerySet[RuleChange]) -> list[str]:
    """Return a line for each change: its author, its target, its effect per night and the fields that change."""
    text = gettext("%(who)s：%(target)s，每晚影响 %(effect)s 元（%(what)s）")
    return [
        text
        % {
            "who": change.asked_by,
            "target": change.get_target_display(),
            "effect": f"{change.effect:+}",
            "what": _line(change),
        }
        for change in chosen[:SHOWN]
    ]


@admin.register(RuleChange)
class RuleChangeAdmin(ReadOnlyAdmin):
    """Changes of plans, prices and rules with their effect per night. A large change waits for a second operator."""

    list_display = (
        "asked_at",
        "asked_by",
        "target",
        "summary",
        "effect",
        "needs_second",
        "status",
        "decided_at",
        "decided_by",
        "reason",
    )
    list_filter = ("status", "target", days("asked_at", _("提交时间")))
    ordering = ("-id",)
    fields = (
        ("asked_at", "asked_by"),
        "target",
        "comparison",
        ("effect", "needs_second"),
        "status",
        ("decided_at", "decided_by"),
        "reason",
    )
    readonly_fields = ("comparison",)
    actions = ("confirm", "refuse", *EXPORTS)

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and obj.status == RuleChange.Status.WAITING

    @admin.display(description=_("变更"))
    def summary(self, change: RuleChange) -> str:
        return _line(change)

    @admin.display(description=_("变更"))
    def comparison(self, change: RuleChange) -> SafeString:
        rows = format_html_join("", "<tr><th>{}</th><td>{}</td><td>→ {}</td></tr>", differences(change))
        return format_html("<table>{}</table>", rows)

    @confirmed(
        _("确认变更"),
        permission="earnings.decide_rulechange",
        question=_("这些变更将按所示内容生效。自己提交的要由另一名运营人员确认。"),
        lines=_lines,
        did=_("已确认"),
        why_not=_("由你自己提交、已经处理，或不能再生效"),
    )
    def confirm(self, chosen: Confirmed) -> int:
        return chosen.call_each(rule_changes.confirm_rule_change)

    @confirmed(
        _("拒绝变更"),
        permission="earnings.decide_rulechange",
        question=_("这些变更不会生效。自己提交的可以撤回。"),
        lines=_lines,
        form=ReasonForm,
        did=_("已拒绝"),
        why_not=_("已经处理"),
    )
    def refuse(self, chosen: Confirmed) -> int:
        return chosen.call_each(rule_changes.refuse_rule_change)


def _count_gaps() -> tuple[int, str]:
    current = gaps()
    return len(current), "；".join(map(str, current[:3]))


dashboard.register_task(
    _("没有收益方案的星级"),
    page="groups_starplan",
    query="",
    permission="groups.view_starplan",
    count=_count_gaps,
    is_urgent=True,
)
dashboard.register_task(
    _("待第二人确认的收益变更"),
    page="earnings_rulechange",
    query="status__exact=0",
    permission="earnings.view_rulechange",
    count=dashboard.counted(lambda: RuleChange.objects.filter(status=RuleChange.Status.WAITING)),
    is_urgent=True,
)
