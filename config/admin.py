"""Admin pages of the service status, the marquee, short links, visits, periodic tasks and the audit log.
Service keys are in accounts.admin.api_keys.
"""

import json
import re
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from config.backoffice import dashboard
from config.backoffice.actions import Confirmed, action, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin
from config.backoffice.filters import days, exactly, states
from config.models import AuditEntry, Marquee, PageVisit, ShortLink, SiteStatus
from config.platform import audit
from config.platform.dates import shanghai_time
from config.platform.wakeups import start_soon
from config.site import status

_CHANGE_JOB = "django_celery_beat.change_periodictask"

for schedule in (ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule):
    admin.site.unregister(schedule)  # the schedule is defined in code: config/celery.py


@admin.register(ShortLink)
class ShortLinkAdmin(ReadOnlyAdmin):
    list_display = ("slug", "url", "click_count", "created_at")
    search_fields = ("slug__exact", "url__exact")
    found_by = search_fields
    search_help_text = _("完整的短码或目标地址")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(is_secret=False)


class _Current(ReadOnlyAdmin):
    """An admin of rows of which the newest is current. Operators add a new row; the earlier rows stay as history."""

    ordering = ("-id",)
    readonly_fields = ("preview",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"config.add_{self.opts.model_name}"))

    @admin.display(description=_("预览"))
    def preview(self, row: Any) -> SafeString:
        """Return the preview of the row as clients show it. A script updates it while the operator types."""
        return format_html(
            '<div class="preview" data-preview="{}">{}</div>', ",".join(self.previewed), row if row.pk else ""
        )

    previewed: tuple[str, ...] = ()

    class Media:
        js = ("backoffice/preview.js",)


@admin.register(SiteStatus)
class SiteStatusAdmin(_Current):
    list_display = ("set_at", "status", "upgrade_end", "set_by")
    fields = ("status", "upgrade_end", "preview")
    previewed = ("status", "upgrade_end")

    def save_model(self, request: HttpRequest, obj: SiteStatus, form: Any, change: bool) -> None:
        by = request.user.get_username()
        row = status.set_status(status=obj.status, upgrade_end=obj.upgrade_end, by=by, at=timezone.now())
        obj.pk = row.pk


@admin.register(Marquee)
class MarqueeAdmin(_Current):
    list_display = ("set_at", "is_shown", "content", "set_by")
    fields = ("is_shown", "content", "preview")
    previewed = ("content",)

    def save_model(self, request: HttpRequest, obj: Marquee, form: Any, change: bool) -> None:
        by = request.user.get_username()
        row = status.set_marquee(is_shown=obj.is_shown, content=obj.content, by=by, at=timezone.now())
        obj.pk = row.pk


@admin.register(PageVisit)
class PageVisitAdmin(ReadOnlyAdmin):
    list_display = ("day", "visit_count")


@admin.register(PeriodicTask)
class JobAdmin(ReadOnlyAdmin):
    """The periodic tasks of beat with their last run. Operators pause a task or run it now; its times are in the code."""

    list_display = ("name", "description", "schedule", "enabled", "last_run_at", "total_run_count")
    list_filter = ("enabled",)
    list_select_related = ("crontab", "interval")
    search_fields = ("name__contains",)
    ordering = ("name",)
    fields = ("name", "description", "task", "schedule", "enabled", "last_run_at", "total_run_count")
    readonly_fields = ("schedule",)
    actions = ("run_now", "pause", "resume", *EXPORTS)

    @admin.display(description=_("时间"))
    def schedule(self, job: PeriodicTask) -> str:
        return str(job.crontab or job.interval or "")

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and action != ("resume" if obj.enabled else "pause")

    @action(_("立即运行"), permission=_CHANGE_JOB)
    def run_now(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        names = list(queryset.values_list("task", flat=True))
        for name in names:
            start_soon(name)
        self.report(request, done=len(names), chosen=len(names), did=_("已要求运行（看最近运行时间）"), why_not="")

    @confirmed(
        _("暂停"),
        permission=_CHANGE_JOB,
        title=_("暂停任务"),
        question=_("这些任务将不再自动运行，直到恢复。消息、结算、打款可能因此停下。"),
    )
    def pause(self, chosen: Confirmed) -> None:
        self._switch(chosen.request, chosen.rows, on=False)

    @action(_("恢复"), permission=_CHANGE_JOB)
    def resume(self, request: HttpRequest, queryset: QuerySet[PeriodicTask]) -> None:
        self._switch(request, queryset, on=True)

    def _switch(self, request: HttpRequest, queryset: QuerySet[PeriodicTask], *, on: bool) -> None:
        jobs = list(queryset)
        changed = [job for job in jobs if job.enabled != on]
        for job in changed:
            job.enabled = on
            job.save(update_fields=["enabled"])  # its post_save signal makes beat reload the schedule
        self.report(request, done=len(changed), chosen=len(jobs), did=_("已设置"), why_not=_("已经是该状态"))


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """The audit log: actor, moment, object, and the values before and after."""

    list_display = ("noted_at", "actor", "action", "subject", "summary", "via")
    list_filter = (
        states(
            "action",
            _("动作"),
            {str(value): (label, Q(action=value)) for value, label in AuditEntry.Action.choices},
        ),
        days("noted_at", _("时间")),
        exactly("actor", _("操作人")),
        exactly("table_name", _("数据表")),
        exactly("row_id", _("对象编号")),
    )
    ordering = ("-id",)
    fields = ("noted_at", "actor", "via", "action", "subject", "comparison")
    readonly_fields = ("subject", "comparison")

    @admin.display(description=_("对象"))
    def subject(self, entry: AuditEntry) -> Any:
        model = audit.model_of(entry)
        if model is None:
            return f"{entry.table_name} {entry.row_id}"
        title = f"{model._meta.verbose_name} {entry.row_id}"
        try:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
            return format_html('<a href="{}">{}</a>', reverse(name, args=[entry.row_id]), title)
        except NoReverseMatch:
            return title

    @admin.display(description=_("变更"))
    def summary(self, entry: AuditEntry) -> str:
        line = gettext("%(name)s：%(before)s → %(after)s")
        shown = "、".join(
            line % {"name": name, "before": before, "after": after} for name, before, after in self._changes(entry)
        )
        return shown if len(shown) <= 160 else f"{shown[:160]}…"

    @admin.display(description=_("变更"))
    def comparison(self, entry: AuditEntry) -> SafeString:
        rows = format_html_join("", "<tr><th>{}</th><td>{}</td><td>→ {}</td></tr>", self._changes(entry))
        return format_html("<table>{}</table>", rows)

    def _changes(self, entry: AuditEntry) -> list[tuple[str, str, str]]:
        model = audit.model_of(entry)
        titles = {field.column: str(field.verbose_name) for field in model._meta.fields} if model else {}
        return [
            (titles.get(name, name), _value_text(before), _value_text(after))
            for name, (before, after) in entry.changes.items()
        ]


_MOMENT = re.compile(
    r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)"
)  # the format in which the audit trigger writes moments


def _value_text(value: Any) -> str:
    """Return a value of the audit log as text, with all its moments, also those inside JSON, in Shanghai time."""
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _MOMENT.sub(lambda match: shanghai_time(datetime.fromisoformat(match[0])), text)


dashboard.register_task(
    _("暂停的任务"),
    page="django_celery_beat_periodictask",
    query="enabled__exact=0",
    permission="django_celery_beat.view_periodictask",
    count=dashboard.counted(lambda: PeriodicTask.objects.filter(enabled=False)),
    is_urgent=True,
)
