"""Admin pages of the service status, the marquee, short links and visits, and those of the back office itself.
Service keys are in accounts.admin.api_keys.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice import dashboard
from config.backoffice.actions import Confirmed, confirmed_button
from config.backoffice.audit_log import AuditEntryAdmin
from config.backoffice.base import ReadOnlyAdmin
from config.backoffice.jobs import JobAdmin
from config.models import Marquee, PageVisit, ShortLink, SiteStatus
from config.platform.dates import shanghai_time
from config.site import status

__all__ = ["AuditEntryAdmin", "JobAdmin", "MarqueeAdmin", "PageVisitAdmin", "ShortLinkAdmin", "SiteStatusAdmin"]


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


class SiteStatusForm(forms.ModelForm):
    """The form of the service status. Maintenance closes the client for all users, so it is confirmed."""

    closes_client = forms.BooleanField(
        label=_("我确认：所有用户的页面立即停用"),
        help_text=_("只在设为“维护”时需要；维护不会自己结束，要在这里恢复。"),
        required=False,
    )

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        is_maintenance = self.cleaned_data.get("status") == SiteStatus.Status.MAINTENANCE
        if is_maintenance and not self.cleaned_data.get("closes_client"):
            self.add_error("closes_client", _("维护会停用所有用户的页面，请勾选确认。"))
        return cleaned


@admin.register(SiteStatus)
class SiteStatusAdmin(_Current):
    form = SiteStatusForm
    list_display = ("set_at", "status", "upgrade_end", "set_by")
    fields = ("status", "upgrade_end", "preview")
    previewed = ("status", "upgrade_end")
    list_buttons = ("end_maintenance",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else (*self.fields, "closes_client")

    @confirmed_button(
        _("恢复服务"),
        permission="config.add_sitestatus",
        question=_("将结束维护，所有用户的页面立即恢复。"),
        did=_("已恢复服务"),
        why_not=_("没有在维护"),
    )
    def end_maintenance(self, chosen: Confirmed) -> bool:
        if status.status()["status"] != SiteStatus.Status.MAINTENANCE:
            return False
        status.set_status(status=SiteStatus.Status.RUNNING, upgrade_end="", by=chosen.by, at=chosen.at)
        return True

    def save_model(self, request: HttpRequest, obj: SiteStatus, form: Any, change: bool) -> None:
        by = request.user.get_username()
        row = status.set_status(status=obj.status, upgrade_end=obj.upgrade_end, by=by, at=timezone.now())
        obj.pk = row.pk


@admin.register(Marquee)
class MarqueeAdmin(_Current):
    list_display = ("set_at", "is_shown", "content", "set_by")
    fields = ("is_shown", "content", "preview")
    previewed = ("content",)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"is_shown": True}

    def save_model(self, request: HttpRequest, obj: Marquee, form: Any, change: bool) -> None:
        by = request.user.get_username()
        row = status.set_marquee(is_shown=obj.is_shown, content=obj.content, by=by, at=timezone.now())
        obj.pk = row.pk


@admin.register(PageVisit)
class PageVisitAdmin(ReadOnlyAdmin):
    list_display = ("day", "visit_count")


def _maintenance() -> tuple[int, str]:
    """Return 1 while the service is in maintenance, with since when, until when and who set it."""
    row = SiteStatus.objects.first()
    if row is None or row.status != SiteStatus.Status.MAINTENANCE:
        return 0, ""
    values = {"since": shanghai_time(row.set_at), "by": row.set_by, "until": row.upgrade_end}
    return 1, gettext("自 %(since)s，%(by)s 设置，用户看到的结束时间：%(until)s") % values


dashboard.register_task(
    _("维护中"),
    page="config_sitestatus",
    query="",
    permission="config.view_sitestatus",
    count=_maintenance,
    is_urgent=True,
    button=dashboard.Button(_("恢复服务"), "end_maintenance", "config.add_sitestatus"),
)
