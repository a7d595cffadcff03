"""Pages of keywords for operators."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from config.backoffice.base import ReadOnlyAdmin
from config.backoffice.filters import days
from keywords.models import KeywordBatch


@admin.register(KeywordBatch)
class KeywordBatchAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "__str__", "reply_content", "trigger_count")
    list_select_related = ("user",)
    list_filter = (days("created_at", _("创建时间")),)
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("手机号的任意几位、昵称的开头，或完整的网关编号")
    ordering = ("-created_at", "id")
    reached_from = {"accounts.user": ("user", _("关键字"))}
