"""Pages that show facts: nothing is added, changed or deleted there, things happen through named actions."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from config.backoffice.export import as_csv


class ListAdmin(admin.ModelAdmin):
    """A list that stays fast as it grows and can be taken away as CSV."""

    show_full_result_count = False
    list_per_page = 50
    actions: tuple[str, ...] = ("export",)

    @admin.action(description="导出所选为 CSV", permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """The columns of the list, of the rows chosen (or of all that the filters let through)."""
        return as_csv(self, request, queryset)

    def report(self, request: HttpRequest, *, done: int, chosen: int, did: str, why_not: str) -> None:
        """Say how many were done, and why the others were not."""
        if done:
            self.message_user(request, f"{did} {done} 条。", messages.SUCCESS)
        if chosen > done:
            self.message_user(request, f"{chosen - done} 条没有变化:{why_not}。", messages.WARNING)


class FactsAdmin(ListAdmin):
    """Read-only."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class FactsInline(admin.TabularInline):
    """Read-only rows below a fact."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
