"""The search box of every page: people, groups, robots, withdrawals, launches and short links by what a person types.

An admin takes part by `found_by`, lookups that use an index. `found_by_part` names a text that is searched for a part as
well, among the newest `PART_LIMIT` rows, so that the cost does not grow with the table.
"""

import re
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Q, UUIDField
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext

from config.backoffice.actions import list_address
from config.backoffice.changelist import search_filter
from config.backoffice.navigation import SECTIONS
from config.backoffice.phones import plain_phone
from config.backoffice.texts import Label

SHOWN = 10  # rows of one kind
PART_LIMIT = 20_000
_MAX_TEXT = 128
_SHORT_LINK = re.compile(r"https?://[^/\s]+/s/([0-9A-Za-z]+)")


@dataclass(frozen=True)
class Results:
    """The rows of one kind: (text, detail, address) of each, and the address of the list that shows all of them."""

    title: Label
    rows: list[tuple[str, str, str]]
    has_more: bool
    all_address: str


def normalized(text: str) -> str:
    """Return what to search for: a phone without blanks, hyphens and country code, the code of a short link."""
    text = text.replace("\x00", "").strip()[:_MAX_TEXT]
    if found := _SHORT_LINK.match(text):
        return found[1]
    return plain_phone(text)


def show_results(request: HttpRequest) -> HttpResponse:
    """Show what matches, or the page of the row when there is exactly one."""
    typed = request.GET.get("q", "")
    text = normalized(typed)
    found = [each for each in (_results(request, label, text) for label in _labels()) if each.rows] if text else []
    if len(found) == 1 and len(found[0].rows) == 1:
        return HttpResponseRedirect(found[0].rows[0][2])
    context = {
        **admin.site.each_context(request),
        "title": gettext("搜索"),
        "search_text": typed.strip()[:_MAX_TEXT],
        "found": found,
    }
    return TemplateResponse(request, "admin/search.html", context)


def _labels() -> list[str]:
    return [label for _title, main, more in SECTIONS for label in (*main, *more)]


def _results(request: HttpRequest, label: str, text: str) -> Results:
    """Return the rows of one model that match the text and that the operator may see."""
    model_admin: Any = next(
        (one for model, one in admin.site._registry.items() if model._meta.label_lower == label), None
    )
    if model_admin is None or not model_admin.found_by or not model_admin.has_view_permission(request):
        return Results("", [], False, "")
    keys = _keys(model_admin, request, text)
    shown = model_admin.get_queryset(request).select_related(*(model_admin.list_select_related or ()))
    rows = sorted(shown.filter(pk__in=keys[:SHOWN]), key=lambda row: keys.index(row.pk))
    page = f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_change"
    return Results(
        model_admin.opts.verbose_name_plural,
        [(str(row), str(model_admin.found_detail(row)), reverse(page, args=[row.pk])) for row in rows],
        len(keys) > SHOWN,
        list_address(model_admin),
    )


def _keys(model_admin: Any, request: HttpRequest, text: str) -> list[Any]:
    """Return the keys of up to `SHOWN` + 1 matching rows: by an exact key, or by lookups and then by a part."""
    rows = model_admin.get_queryset(request).order_by(*model_admin.ordering)
    if (key := _key(model_admin.model, text)) is not None:
        return list(rows.filter(pk=key).values_list("pk", flat=True))
    found, _too_many = search_filter(model_admin.model, model_admin.found_by, text)
    keys = list(rows.filter(found).values_list("pk", flat=True)[: SHOWN + 1])
    if len(keys) <= SHOWN and model_admin.found_by_part:
        part = Q(**{f"{model_admin.found_by_part}__contains": text})
        others = rows.filter(part & _newest(model_admin)).exclude(pk__in=keys).values_list("pk", flat=True)
        keys += others[: SHOWN + 1 - len(keys)]
    return keys


def _newest(model_admin: Any) -> Q:
    """Return the condition of the newest `PART_LIMIT` rows, by the moment that orders them, so that its index is used."""
    moment = str(model_admin.ordering[0]).removeprefix("-")
    moments = model_admin.model._base_manager.order_by(*model_admin.ordering).values_list(moment, flat=True)
    oldest = next(iter(moments[PART_LIMIT - 1 : PART_LIMIT]), None)
    return Q() if oldest is None else Q(**{f"{moment}__gte": oldest})


def _key(model: type[Model], text: str) -> UUID | None:
    """Return the primary key that the text spells, for models with such keys."""
    if not isinstance(model._meta.pk, UUIDField):
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
