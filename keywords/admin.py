"""Keywords for operators."""

from django.contrib import admin

from config.backoffice.facts import FactsAdmin
from keywords.models import KeywordBatch


@admin.register(KeywordBatch)
class KeywordBatchAdmin(FactsAdmin):
    list_display = ("created_at", "user", "__str__", "reply_content", "trigger_count")
    list_select_related = ("user",)
    list_filter = ("created_at",)
    search_fields = ("user__nickname", "=user__code", "reply_content")
