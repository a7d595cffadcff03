"""Lists as CSV: streamed row by row, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterator
from typing import Any

from django.contrib.admin.utils import label_for_field, lookup_field
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

CHUNK = 2000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """A file that hands back what is written to it."""

    def write(self, line: str) -> str:
        return line


def _cell(value: Any) -> str:
    """Text as a person reads it; what a spreadsheet would run as a formula gets a quote in front."""
    if value is None:
        return ""
    if hasattr(value, "strftime") and hasattr(value, "hour"):
        return timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S")
    text = str(value)
    is_number = text.lstrip("-").replace(".", "", 1).isdigit()
    return f"'{text}" if text.startswith(_FORMULA) and not is_number else text


def _lines(model_admin: Any, columns: list[str], rows: QuerySet[Any]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield "\ufeff"  # or Excel reads it in a legacy encoding
    yield writer.writerow([label_for_field(name, rows.model, model_admin) for name in columns])
    for row in rows.iterator(chunk_size=CHUNK):
        yield writer.writerow([_cell(_shown(name, row, model_admin)) for name in columns])


def _shown(name: str, row: Any, model_admin: Any) -> Any:
    display = getattr(row, f"get_{name}_display", None)
    return display() if display else lookup_field(name, row, model_admin)[2]


def as_csv(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
    """The list's columns of these rows as a download."""
    columns = [name for name in model_admin.get_list_display(request) if name != "action_checkbox"]
    related = model_admin.list_select_related
    rows = queryset.select_related(*related) if isinstance(related, list | tuple) else queryset
    name = f"{queryset.model._meta.model_name}-{timezone.localtime():%Y%m%d-%H%M%S}.csv"
    return StreamingHttpResponse(
        _lines(model_admin, columns, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
