"""Pages of keywords for operators."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.labels import person_label, person_link
from config.backoffice.actions import SHOWN, Confirmed, ReasonForm, confirmed
from config.backoffice.base import EXPORTS, ReadOnlyAdmin
from config.backoffice.changelist import MATCH_LIMIT
from config.backoffice.filters import days, states
from config.backoffice.readable import row_link
from config.platform.characters import comparable
from groups.models import Group
from keywords import pauses
from keywords.models import KeywordBatch

SHOWN_GROUPS = 50
_STATES = {"active": (_("使用中"), Q(paused_at__isnull=True)), "paused": (_("已停用"), Q(paused_at__isnull=False))}


def _lines(chosen: QuerySet[KeywordBatch]) -> list[str]:
    """Return a line for each batch: the person, the keywords and the reply."""
    rows = chosen.select_related("user")[:SHOWN]
    return [f"{person_label(row.user)} · {row} → {row.reply_content[:40]}" for row in rows]


@admin.register(KeywordBatch)
class KeywordBatchAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "user", "all_keywords", "reply_content", "trigger_count", "paused_at")
    list_select_related = ("user",)
    list_filter = (states("state", _("状态"), _STATES), days("created_at", _("创建时间")))
    search_fields = ("user__phone__contains", "user__nickname__startswith", "user__code__exact")
    search_help_text = _("一个完整的关键字，或手机号的任意几位、昵称的开头、完整的网关编号")
    ordering = ("-created_at", "id")
    reached_from = {"accounts.user": ("user", _("关键字"))}
    fields = (
        ("person", "created_at"),
        "all_keywords",
        "reply_content",
        "trigger_count",
        "group_links",
        ("paused_at", "paused_by", "pause_reason"),
    )
    readonly_fields = ("person", "all_keywords", "group_links")
    actions = ("pause", "resume", *EXPORTS)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the batches of matching users, and those with exactly this keyword, compared as in messages."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if folded := comparable(search_term.replace("\x00", "")):
            # The keys first: PostgreSQL expects far more batches with a keyword than there are.
            matching = KeywordBatch.objects.filter(folded__contains=[folded]).order_by()
            found |= queryset.filter(pk__in=list(matching.values_list("pk", flat=True)[:MATCH_LIMIT]))
        return found, may_repeat

    def is_action_available(self, action: str, obj: Any) -> bool:
        return super().is_action_available(action, obj) and (action == "resume") == (obj.paused_at is not None)

    @admin.display(description=_("用户"))
    def person(self, batch: KeywordBatch) -> SafeString:
        return person_link(batch.user)

    @admin.display(description=_("关键字"))
    def all_keywords(self, batch: KeywordBatch) -> str:
        return "、".join(batch.keywords)

    @admin.display(description=_("群"))
    def group_links(self, batch: KeywordBatch) -> SafeString:
        """Return the number of served groups with these keywords, and links to the first of them."""
        groups = Group.objects.active().filter(pk__in=batch.group_keywords.values("group"))
        links = format_html_join("、", "{}", ((row_link(row),) for row in groups[:SHOWN_GROUPS]))
        return format_html("{}<br>{}", gettext("%s 个群") % groups.count(), links)

    @confirmed(
        _("停用"),
        permission="keywords.pause_keywordbatch",
        title=_("停用关键字"),
        question=_("机器人不再回复这些关键字，直到恢复。用户看不到停用，也不会收到通知。"),
        form=ReasonForm,
        lines=_lines,
        did=_("已停用"),
        why_not=_("之前已经停用"),
    )
    def pause(self, chosen: Confirmed) -> int:
        return pauses.pause_batches(chosen.keys, by=chosen.by, at=chosen.at, **chosen.fields)

    @confirmed(
        _("恢复"),
        permission="keywords.pause_keywordbatch",
        title=_("恢复关键字"),
        question=_("机器人重新回复这些关键字。"),
        lines=_lines,
        did=_("已恢复"),
        why_not=_("没有停用"),
    )
    def resume(self, chosen: Confirmed) -> int:
        return pauses.resume_batches(chosen.keys)
