"""Admin pages of the service status, the marquee, short links and visits, and those of the back office itself.
Service keys are in accounts.admin.api_keys.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from config.backoffice.audit_log import AuditEntryAdmin
from config.backoffice.base import ReadOnlyAdmin
from config.backoffice.jobs import JobAdmin
from config.models import Marquee, PageVisit, ShortLink, SiteStatus
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
