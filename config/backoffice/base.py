"""Pages that show facts: nothing is added, changed or deleted there, things happen through named actions."""

from collections.abc import Callable
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils.translation import gettext as _

from config.backoffice.changelist import CappedPaginator, FastChangeList, FastSearch
from config.backoffice.export import as_csv, as_xlsx
from config.backoffice.filters import parameters_of
from config.backoffice.texts import PlainDecimalField, PlainIntegerField, SeenCharField
from config.backoffice.versions import VersionedFormSet, versioned

EXPORTS = ("export", "export_xlsx")


def permission_check(permission: str) -> Callable[[Any, HttpRequest], bool]:
    """The `has_…_permission` of an action: the operator has this permission."""
    return lambda _admin, request: bool(request.user.has_perm(permission))


class ListAdmin(FastSearch, admin.ModelAdmin):
    """A list that stays fast as it grows and can be taken away as CSV or XLSX.

    Columns cannot be sorted by unless `sortable_by` says that an index answers it. `reached_from` makes the list
    reachable from the page of something else: {"accounts.user": ("user", "提现")} shows, for a user, the rows whose
    `user` it is. `list_buttons` are methods without a choice of rows, each with a `…_permission`.
    """

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count the whole table for each filter
    paginator: ClassVar[Any] = CappedPaginator
    list_per_page = 50
    sortable_by: ClassVar[Any] = ()
    actions: tuple[str, ...] = EXPORTS
    reached_from: ClassVar[dict[str, tuple[str, str]]] = {}
    list_buttons: tuple[str, ...] = ()
    has_export_permission = permission_check("config.export_lists")  # who sees a list does not take it away by that
    formfield_overrides: ClassVar[Any] = {
        models.CharField: {"form_class": SeenCharField},
        models.TextField: {"form_class": SeenCharField},
        models.IntegerField: {"form_class": PlainIntegerField},
        models.DecimalField: {"form_class": PlainDecimalField},
    }
    needs_confirmation_page = (
        False  # shows nothing before a search or a filter: no index gives the whole table an order
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[FastChangeList]:
        return FastChangeList

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Allow what filters and links of pages ask for, and nothing else: a free lookup spells out what pages hide."""
        fields = {field.name for field in self.opts.get_fields()} | {"pk"}
        if lookup.partition("__")[0] not in fields:
            return True  # no lookup: a parameter of a filter's own, or of nothing
        reached_by = {own for own, _title in self.reached_from.values()}
        return lookup in reached_by or any(lookup in parameters_of(one) for one in self.list_filter)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return versioned(form) if change else form

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        return super().get_changelist_formset(request, **{"formset": VersionedFormSet, **kwargs})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row. One that is about to be saved is locked first, so that of two saves one is the second."""
        found = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST" or not self.has_change_permission(request, found):
            return found
        list(self.model._base_manager.filter(pk=found.pk).select_for_update().values_list("pk"))
        return super().get_object(request, object_id, from_field)

    @admin.action(description="导出所选为 CSV", permissions=["export"])
    def export(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """The columns of the list, of the rows chosen (or of all that the filters let through)."""
        return as_csv(self, request, queryset)

    @admin.action(description="导出所选为 Excel", permissions=["export"])
    def export_xlsx(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return as_xlsx(self, request, queryset)

    def report(self, request: HttpRequest, *, done: int, chosen: int, did: str, why_not: str) -> None:
        """Say how many were done, and why the others were not."""
        if done:
            self.message_user(request, _("%(did)s %(done)s 条。") % {"did": _(did), "done": done}, messages.SUCCESS)
        if chosen > done:
            text = _("%(count)s 条没有变化:%(why)s。") % {"count": chosen - done, "why": _(why_not)}
            self.message_user(request, text, messages.WARNING)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        shown = {
            "related_lists": related_lists(self, request, object_id),
            "object_actions": self._offered(request, self.get_object(request, object_id)),
            "may_see_history": request.user.has_perm("config.view_auditentry"),
        }
        return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    def _offered(self, request: HttpRequest, obj: Any) -> list[tuple[str, Any]]:
        """(name, label) of the actions that make sense for this object; none for an address without one."""
        if obj is None:
            return []
        named = [action for action in self.get_actions(request).values() if action is not None]
        hidden = (*EXPORTS, "delete_selected")
        return [
            (name, label)
            for _do, name, label in named
            if name not in hidden and self.is_action_available(name, obj)
        ]

    def is_action_available(self, action: str, obj: Any) -> bool:
        """Whether the page of this object shows a button for the action."""
        return obj is not None

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        buttons = [(name, getattr(self, name).short_description) for name in self._buttons_of(request)]
        return super().changelist_view(request, {"list_buttons": buttons, **(extra_context or {})})

    def _buttons_of(self, request: HttpRequest) -> list[str]:
        return [name for name in self.list_buttons if request.user.has_perm(getattr(self, name).permission)]

    def get_urls(self) -> list[Any]:
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        view: Any = self.admin_site.admin_view(self.run_button)
        view.body_limit = self._body_limit
        return [path("do/<slug:name>/", view, name=f"{prefix}_do"), *super().get_urls()]

    def _body_limit(self, request: HttpRequest, name: str) -> int:
        """Return how many bytes `run_button` takes: the size of a file only from those who may upload one."""
        may_upload = self.admin_site.has_permission(request) and name in self._buttons_of(request)
        takes_file = may_upload and getattr(self, name).takes_file
        return int(settings.MAX_UPLOAD_BYTES if takes_file else settings.MAX_BODY_BYTES)

    def run_button(self, request: HttpRequest, name: str) -> HttpResponse:
        """Do what a button above the list says; back to the list unless it answers with a page of its own."""
        if name not in self._buttons_of(request):
            raise PermissionDenied
        answer: HttpResponse | None = getattr(self, name)(request)
        prefix = f"{self.opts.app_label}_{self.opts.model_name}"
        return answer or HttpResponseRedirect(reverse(f"admin:{prefix}_changelist"))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What happened to it is in the audit log."""
        query = urlencode({"table_name": self.opts.db_table, "row_id": object_id})
        return HttpResponseRedirect(f"{reverse('admin:config_auditentry_changelist')}?{query}")


def related_lists(model_admin: admin.ModelAdmin, request: HttpRequest, object_id: str) -> list[tuple[str, str]]:
    """(title, address) of the lists that show what belongs to this object, of those the operator may see."""
    label, found = model_admin.opts.label_lower, []
    for model, other in model_admin.admin_site._registry.items():
        lookup, title = getattr(other, "reached_from", {}).get(label, ("", ""))
        if lookup and other.has_view_permission(request):
            address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            found.append((_(title), f"{address}?{urlencode({lookup: object_id})}"))
    return found


class ReadOnlyAdmin(ListAdmin):
    """Read-only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline):
    """Read-only rows below a fact."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True  # whoever may see the fact may see what belongs to it

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def button(description: str, *, permission: str, takes_file: bool = False) -> Callable[[Any], Any]:
    """Mark a method as a button above the list; `takes_file`: its page takes a file of MAX_UPLOAD_BYTES."""

    def mark(method: Any) -> Any:
        method.short_description, method.permission, method.takes_file = description, permission, takes_file
        return method

    return mark
