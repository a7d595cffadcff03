"""The admin page of the audit log: each change with its row, person and values."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice.audit_values import RowNames, as_line, changes_of, entrance, subject, table_titles
from config.backoffice.base import PreparedPage, ReadOnlyAdmin
from config.backoffice.changelist import search_terms
from config.backoffice.filters import days, exactly, states
from config.backoffice.readable import shortened
from config.models import AuditEntry
from config.platform import audit

_MOST_PEOPLE = 20  # whose entries one search finds
_MOST_ROWS = 200  # of one model, that belong to these people
_SHOWN = 160  # characters of the changes in the list


class TableFilter(admin.SimpleListFilter):
    """A filter by the kind of the changed row. The choices are the audited models."""

    title = _("数据表")
    parameter_name = "table_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, Any]]:
        return table_titles()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(table_name=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(PreparedPage, ReadOnlyAdmin):
    """The audit log: actor, moment, object, and the values before and after."""

    list_display = ("noted_at", "actor", "action", "subject", "summary", "entrance")
    list_filter = (
        states(
            "action",
            _("动作"),
            {str(value): (label, Q(action=value)) for value, label in AuditEntry.Action.choices},
        ),
        days("noted_at", _("时间")),
        exactly("actor", _("操作人")),
        TableFilter,
        exactly("row_id", _("对象编号")),
    )
    search_fields = ("actor__exact",)
    search_help_text = _("操作人的登录名，用户手机号的任意几位、昵称的开头，或完整的对象编号")
    ordering = ("-id",)
    fields = ("noted_at", "actor", "entrance", "action", "subject", "comparison")
    readonly_fields = ("subject", "comparison", "entrance")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find entries of an operator, of an object, and those about a person and what belongs to the person."""
        for term in search_terms(search_term):
            rows = [term, *self._rows_of_people(request, term)]
            queryset = queryset.filter(Q(actor=term) | Q(row_id__in=rows))
        return queryset, False

    def _rows_of_people(self, request: HttpRequest, term: str) -> list[str]:
        """Return the keys of the people who match, and of the rows that belong to them."""
        users: Any = get_user_model()
        page: Any = self.admin_site._registry[users]
        found, _is_distinct = page.get_search_results(request, users.objects.all(), term)
        people = list(found.values_list("pk", flat=True)[:_MOST_PEOPLE])
        if not people:
            return []
        keys = [str(key) for key in people]
        for model, field in _owned_models():
            owned = model._base_manager.filter(**{f"{field}__in": people}).order_by()
            keys += [str(key) for key in owned.values_list("pk", flat=True)[:_MOST_ROWS]]
        return keys

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        names = RowNames(rows)
        for row in rows:
            row.names = names

    @admin.display(description=_("对象"))
    def subject(self, entry: Any) -> SafeString:
        return subject(entry, entry.names)

    @admin.display(description=_("入口"))
    def entrance(self, entry: AuditEntry) -> str:
        return entrance(entry.via)

    @admin.display(description=_("变更"))
    def summary(self, entry: Any) -> str:
        line = gettext("%(name)s：%(before)s → %(after)s")
        text = "、".join(
            line % {"name": change.name, "before": as_line(change.before), "after": as_line(change.after)}
            for change in changes_of(entry, entry.names)
        )
        return shortened(text, _SHOWN)

    @admin.display(description=_("变更"))
    def comparison(self, entry: Any) -> SafeString:
        rows = format_html_join("", "<tr><th>{}</th><td>{}</td><td>→ {}</td></tr>", changes_of(entry, entry.names))
        return format_html('<table class="values">{}</table>', rows)


def _owned_models() -> Iterator[tuple[type[Model], str]]:
    """Yield (model, field) of the audited models whose rows belong to a user and are found by an index."""
    users = get_user_model()
    for model in audit.audited_models():
        fields: list[Any] = [field for field in model._meta.concrete_fields if field.related_model is users]
        first = {index.fields[0] for index in model._meta.indexes if index.fields and index.condition is None}
        for field in fields:
            if field.name == "user" and (field.db_index or field.unique or "user" in first):
                yield model, field.name
