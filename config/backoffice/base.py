"""Base classes of admin pages: fast lists with exports, related lists and buttons, and read-only pages."""

from collections.abc import Sequence
from copy import copy
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice.actions import CONFIRM, action, asked_confirmation, list_address, safe_next
from config.backoffice.changelist import CappedPaginator, FastChangeList, FastSearch, count_text
from config.backoffice.export import as_csv, as_xlsx
from config.backoffice.filter_form import without_empty
from config.backoffice.filters import parameters_of
from config.backoffice.texts import Label, PlainDecimalField, PlainIntegerField, VisibleCharField
from config.backoffice.versions import VersionedFormSet, versioned

SHOWN_IN_QUEUE = 500  # rows of the list among which the next one is looked for
EXPORTS = ("export", "export_xlsx")
_DELETE = "delete_selected"  # Django's own action, which checks the permission to delete
_EXPORT = "config.export_lists"  # seeing a list does not include exporting it


class ListAdmin(FastSearch, admin.ModelAdmin):
    """A list that stays fast as it grows and can be exported as CSV or XLSX.

    Operators sort by the columns in `sortable_by` only, which have an index. `reached_from` links the list from the
    page of another object: {"accounts.user": ("user", "提现")} links the rows whose `user` is the user shown.
    `list_buttons` are methods that need no selected rows, each marked by `button`.
    """

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # facets count the whole table for each filter
    paginator: ClassVar[Any] = CappedPaginator
    list_per_page = 50
    sortable_by: ClassVar[Any] = ()
    actions: tuple[str, ...] = EXPORTS
    reached_from: ClassVar[dict[str, tuple[str, Label]]] = {}
    list_buttons: tuple[str, ...] = ()
    formfield_overrides: ClassVar[Any] = {
        models.CharField: {"form_class": VisibleCharField},
        models.TextField: {"form_class": VisibleCharField},
        models.IntegerField: {"form_class": PlainIntegerField},
        models.DecimalField: {"form_class": PlainDecimalField},
    }
    export_permission = ""  # needed to export this list, beside the permission to export lists
    row_actions: tuple[str, ...] = ()  # actions with a button in each row …
    row_actions_after = ""  # … in a column behind this one, or behind the first
    found_by: tuple[str, ...] = ()  # lookups of the search box of every page (`config.backoffice.search`)
    found_by_part = ""  # a text field of which that search finds parts
    requires_filter = False  # an empty list before a search or a filter, where no index orders the whole table

    class Media:
        css: ClassVar[Any] = {"all": ("backoffice/values.css",)}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FastChangeList]:
        return FastChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow the lookups of filters and links only: a free lookup would reveal values that the pages hide."""
        fields = {field.name for field in self.opts.get_fields()} | {"pk"}
        if lookup.partition("__")[0] not in fields:
            return True  # not a lookup: a parameter of a filter, or an unknown parameter
        reached_by = {own for own, _title in self.reached_from.values()}
        return lookup in reached_by or any(lookup in parameters_of(each) for each in self.list_filter)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return versioned(form) if change else form

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_formset(request, **{"formset": VersionedFormSet, **kwargs})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row. A POST locks the row first, so that a second save at the same time sees the first."""
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST" or not self.has_change_permission(request, found):
            return found
        list(self.model._base_manager.filter(pk=found.pk).select_for_update().values_list("pk"))
        return super().get_object(request, object_id, from_field)

    def get_actions(self, request: HttpRequest) -> Any:
        """Return the actions that the operator may run. An action without a permission is for superusers only."""
        return {
            name: found
            for name, found in super().get_actions(request).items()
            if found
            and (name == _DELETE or request.user.has_perm(getattr(found[0], "permission", "")))
            and (name not in EXPORTS or not self.export_permission or request.user.has_perm(self.export_permission))
        }

    @action(_("导出所选为 CSV"), permission=_EXPORT)
    def export(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Export the list's columns of the selected rows, or of all rows that match the filters."""
        return as_csv(self, request, queryset)

    @action(_("导出所选为 Excel"), permission=_EXPORT)
    def export_xlsx(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return as_xlsx(self, request, queryset)

    def report(self, request: HttpRequest, *, done: int, chosen: int, did: Label, why_not: Label) -> None:
        """Show how many rows were changed, and why the others were not."""
        if done:
            self.message_user(
                request, gettext("%(did)s %(done)s 条。") % {"did": did, "done": done}, messages.SUCCESS
            )
        if chosen > done:
            text = gettext("%(count)s 条没有变化：%(why)s。") % {"count": chosen - done, "why": why_not}
            self.message_user(request, text, messages.WARNING)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        row = self.get_object(request, object_id)
        shown = {
            "related_lists": related_lists(self, request, row),
            "object_actions": self._actions_for(request, row),
            "next_row": self._next_row(request, object_id),
            "may_see_history": request.user.has_perm("config.view_auditentry"),
        }
        return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    def _next_row(self, request: HttpRequest, object_id: str) -> str:
        """Return the address of the row that follows in the list from which the page was opened, or "".

        When the row is no longer in that list, as after its review, it is the first row of the list.
        """
        given = request.GET.get("_changelist_filters", "")
        if request.method != "GET" or not given:
            return ""
        try:
            rows = self._filtered(request, given)
        except IncorrectLookupParameters:
            return ""
        keys = [str(key) for key in rows.values_list("pk", flat=True)[:SHOWN_IN_QUEUE]]
        following = keys[keys.index(object_id) + 1 :] if object_id in keys else keys
        query = urlencode({"_changelist_filters": given})
        page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return f"{reverse(page, args=[following[0]])}?{query}" if following else ""

    def _filtered(self, request: HttpRequest, query: str) -> QuerySet[Any]:
        """Return the rows of the list with the filters of a query string. Raises IncorrectLookupParameters."""
        listed = copy(request)
        listed.GET = QueryDict(query)
        rows: QuerySet[Any] = self.get_changelist_instance(listed).get_queryset(listed)
        return rows

    def _actions_for(self, request: HttpRequest, obj: Any) -> list[tuple[str, Any]]:
        """Return (name, label) of the actions available for this object; none without an object."""
        if obj is None:
            return []
        actions = [action for action in self.get_actions(request).values() if action is not None]
        hidden = (*EXPORTS, _DELETE)
        return [
            (name, label)
            for _do, name, label in actions
            if name not in hidden and self.is_action_available(name, obj)
        ]

    def is_action_available(self, action: str, obj: Any) -> bool:
        """Return whether the page of this object shows a button for the action."""
        return obj is not None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "GET":
            if (query := without_empty(request.GET)) is not None:
                return HttpResponseRedirect(f"{request.path}?{query}".rstrip("?"))
            if CONFIRM in request.GET:
                return self._opened_confirmation(request)
        elif "row_action" in request.POST:
            request.POST = _chosen_row(request.POST)  # type: ignore[assignment]  # its own type of the stubs
        buttons = [
            (name, getattr(self, name).short_description, getattr(self, name).opens_page)
            for name in self._buttons_of(request)
        ]
        shown = {"title": self.opts.verbose_name_plural, "list_buttons": buttons, "notice": self.notice()}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def _opened_confirmation(self, request: HttpRequest) -> HttpResponse:
        """Show the confirmation page whose address this is. The list is the answer when nothing is left to confirm."""
        name, filters = asked_confirmation(request)
        found = self.get_actions(request).get(name)
        chosen, is_across = request.GET.getlist(ACTION_CHECKBOX_NAME), request.GET.get("select_across") == "1"
        if found is None or not getattr(found[0], "opens_page", False) or not (chosen or is_across):
            return HttpResponseRedirect(f"{request.path}?{filters.urlencode()}".rstrip("?"))
        try:
            rows = self._filtered(request, filters.urlencode())
            page: HttpResponse = found[0](self, request, rows if is_across else rows.filter(pk__in=chosen))
        except (IncorrectLookupParameters, ValidationError, ValueError):  # a filter or a key that nothing has
            return HttpResponseRedirect(request.path)
        return page

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Run the action. Afterwards the operator is back on the page from which it was started."""
        answer = super().response_action(request, *args, **kwargs)
        is_done = isinstance(answer, HttpResponseRedirect) and answer.url == request.get_full_path()
        following = safe_next(request) if is_done else ""
        return HttpResponseRedirect(following) if following else answer

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns, and one with a button for each of `row_actions` that the operator may run."""
        allowed = [name for name in self.row_actions if name in self.get_actions(request)]
        columns = super().get_list_display(request)
        if not allowed:
            return columns

        @admin.display(description="")
        def row_buttons(row: Any) -> str:
            return self._row_buttons(allowed, row)

        place = columns.index(self.row_actions_after) + 1 if self.row_actions_after else 1
        return (*columns[:place], row_buttons, *columns[place:])

    def _row_buttons(self, names: list[str], row: Any) -> str:
        buttons = (
            (f"{name}:{row.pk}", getattr(self, name).short_description)
            for name in names
            if self.is_action_available(name, row)
        )
        return format_html_join("", '<button name="row_action" value="{}">{}</button>', buttons)

    def notice(self) -> str:
        """Return a text above the list about the state of the whole, or ""."""
        return ""

    def prepare_rows(self, rows: Sequence[Any]) -> None:
        """Look up what the columns of these rows need beside the rows: for a page, or for a part of an export."""

    def found_detail(self, row: Any) -> str:
        """Return what the search box shows behind the name of a row."""
        return ""

    def _buttons_of(self, request: HttpRequest) -> list[str]:
        return [name for name in self.list_buttons if request.user.has_perm(getattr(self, name).permission)]

    def get_urls(self) -> list[Any]:
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        view: Any = self.admin_site.admin_view(self.run_button)
        view.body_limit = self._body_limit
        return [path("do/<slug:name>/", view, name=f"{prefix}_do"), *super().get_urls()]

    def _body_limit(self, request: HttpRequest, name: str) -> int:
        """Return the body limit of `run_button` in bytes: the larger limit only for operators who may upload a file."""
        may_upload = self.admin_site.has_permission(request) and name in self._buttons_of(request)
        takes_file = may_upload and getattr(self, name).takes_file
        return int(settings.MAX_UPLOAD_BYTES if takes_file else settings.MAX_BODY_BYTES)

    def run_button(self, request: HttpRequest, name: str) -> HttpResponse:
        """Run the method of a button above the list. Returns its page, or a redirect to the list."""
        if name not in self._buttons_of(request) or (
            request.method != "POST" and not getattr(self, name).opens_page
        ):
            raise PermissionDenied
        answer: HttpResponse | None = getattr(self, name)(request)
        return answer or HttpResponseRedirect(list_address(self))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the entries of this object in the audit log."""
        query = urlencode({"table_name": self.opts.db_table, "row_id": object_id})
        return HttpResponseRedirect(f"{reverse('admin:config_auditentry_changelist')}?{query}")


def _chosen_row(given: QueryDict) -> QueryDict:
    """Return what a list would have submitted for the button of a row: the action with this row alone."""
    chosen = given.copy()
    name, _colon, key = chosen.pop("row_action")[-1].partition(":")
    chosen.setlist(ACTION_CHECKBOX_NAME, [key])
    chosen["action"], chosen["select_across"] = name, "0"
    return QueryDict(chosen.urlencode())


def related_lists(model_admin: admin.ModelAdmin, request: HttpRequest, row: Any) -> list[tuple[Label, str]]:
    """Return (title with the number of rows, address) of the lists of this object that the operator may see."""
    label, found = model_admin.opts.label_lower, list[tuple[Label, str]]()
    if row is None:
        return []
    for other in model_admin.admin_site._registry.values():
        lookup, title = getattr(other, "reached_from", {}).get(label, ("", ""))
        if lookup and other.has_view_permission(request):
            number = count_text(other.get_queryset(request).filter(**{lookup: row.pk}))
            found.append((f"{title} {number}", f"{list_address(other)}?{urlencode({lookup: row.pk})}"))
    return found


class PreparedPage(ListAdmin):
    """An admin whose pages show what `prepare_rows` looks up, as its list does."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            self.prepare_rows([found])
        return found


class ReadOnlyAdmin(ListAdmin):
    """A read-only list with read-only pages; rows change through named actions."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline):
    """Read-only rows below a read-only page."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True  # the permission to view the parent row includes its inline rows

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
