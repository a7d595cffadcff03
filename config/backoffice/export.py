"""Exports of lists as CSV and XLSX: never complete in memory, and without formulas that a spreadsheet would run."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from functools import partial
from html import unescape
from itertools import islice
from tempfile import TemporaryFile
from typing import Any

from django.contrib.admin.utils import label_for_field, lookup_field
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from xlsxwriter import Workbook

from config.platform import audit, db
from config.platform.dates import shanghai_time

CHUNK = 2000
MOST_ROWS = 1_048_576  # the capacity of a sheet
PIECE_BYTES = 64 * 1024
_FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # Chinese spreadsheets treat the full-width characters like the ASCII ones
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
Row = list[Any]
Columns = Mapping[str, Callable[[Any], Any]]  # title → function from a row to its value


class _Line:
    """A file whose `write` returns the text, so that csv.writer returns each line."""

    def write(self, line: str) -> str:
        return line


def _rows(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> Iterator[Row]:
    """Yield the titles of the list's columns, then the cells of each row: numbers as numbers, all others as text."""
    # A function without an exported value is the column of the buttons.
    columns = [
        name
        for name in model_admin.get_list_display(request)
        if name != "action_checkbox" and (not callable(name) or hasattr(name, "exported"))
    ]
    related = model_admin.list_select_related
    rows = queryset.select_related(*related) if isinstance(related, list | tuple) else queryset
    yield [str(label_for_field(name, rows.model, model_admin)) for name in columns]
    stream = db.stream(rows, chunk=CHUNK)
    while part := list(islice(stream, CHUNK)):
        model_admin.prepare_rows(part)
        for row in part:
            yield [_cell(_display_value(name, row, model_admin)) for name in columns]


def _table(queryset: QuerySet[Any], columns: Columns) -> Iterator[Row]:
    """Yield the titles, then the cells of each row."""
    yield list(columns)
    for row in db.stream(queryset, chunk=CHUNK):
        yield [_cell(value_of(row)) for value_of in columns.values()]


def _display_value(name: Any, row: Any, model_admin: Any) -> Any:
    if hasattr(name, "exported"):  # a column that shows a number as text
        return name.exported(row)
    display = getattr(row, f"get_{name}_display", None)
    return display() if display else lookup_field(name, row, model_admin)[2]


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return value
    if hasattr(value, "strftime") and hasattr(value, "hour"):
        return shanghai_time(value)
    text = unescape(strip_tags(value)) if isinstance(value, SafeString) else str(value)
    return "" if text == "-" else text  # pages show "-" for nothing


def _harmless(cell: Any) -> Any:
    """Return the cell, with a leading quote where a spreadsheet would run it as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _lines(rows: Iterable[Row]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield "\ufeff"  # without the byte order mark, Excel reads the file in a legacy encoding
    for row in rows:
        yield writer.writerow([_harmless(cell) for cell in row])


def workbook(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield the bytes of a workbook with these rows. With more rows than a sheet holds, the last one is a note about it.

    Both the rows and the file go through temporary files: the first byte can be sent only after the last row. Text is
    written as text, also where it looks like a formula, a number or a link.
    """
    with TemporaryFile() as file:
        with Workbook(file, {"constant_memory": True, "use_zip64": True}) as book:
            sheet = book.add_worksheet()
            sheet.freeze_panes(1, 0)
            sheet.set_column(0, 60, 18)
            for number, row in enumerate(rows):
                if number == MOST_ROWS - 1:
                    sheet.write_string(number, 0, _("其余的行超出了工作表的容量，请筛选后分批导出，或导出 CSV"))
                    break
                for column, cell in enumerate(row):
                    write = sheet.write_string if isinstance(cell, str) else sheet.write_number
                    write(number, column, cell)
        file.seek(0)
        yield from iter(partial(file.read, PIECE_BYTES), b"")


def _download(queryset: QuerySet[Any], suffix: str, kind: str, content: Iterator[Any]) -> StreamingHttpResponse:
    name = f"{queryset.model._meta.model_name}-{timezone.localtime():%Y%m%d-%H%M%S}.{suffix}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(content, content_type=kind, headers=headers)


def as_csv(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
    """Return the list's columns of these rows as a CSV download, recorded in the audit log."""
    audit.record_export(queryset.model, kind="CSV", query=request.GET.urlencode())
    rows = _rows(model_admin, request, queryset)
    return _download(queryset, "csv", "text/csv; charset=utf-8", _lines(rows))


def as_xlsx(model_admin: Any, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
    """Return the list's columns of these rows as an Excel workbook, recorded in the audit log."""
    audit.record_export(queryset.model, kind="XLSX", query=request.GET.urlencode())
    return _download(queryset, "xlsx", XLSX, workbook(_rows(model_admin, request, queryset)))


def table_as_xlsx(
    queryset: QuerySet[Any], columns: Columns, *, filters: Mapping[str, Any]
) -> StreamingHttpResponse:
    """Return these columns of all rows as an Excel workbook, recorded in the audit log with its filters."""
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    audit.record_export(queryset.model, kind="XLSX", query=query)
    return _download(queryset, "xlsx", XLSX, workbook(_table(queryset, columns)))
