"""Paging: `current_page` from 0, `page_size` 1–200 (1–500 in the back office), exact totals."""

from collections.abc import Callable, Sequence
from math import ceil
from typing import Any, Protocol

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from config.api import output
from config.api.renderer import Answer
from config.errors import BadRequest

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 200
BACKOFFICE_PAGE_SIZE = 500  # the largest page size of the old back-office client
MAX_PAGE = 10**17  # every page beyond the last is empty
MAX_OFFSET = 2**63 - 1  # of PostgreSQL


def _integer_parameter(request: Request, name: str, default: int, low: int, high: int) -> int:
    raw = request.query_params.get(name, "").strip()
    if not raw:
        return default
    if not raw.isascii() or not raw.removeprefix("-").isdigit() or len(raw) > 18 or not low <= int(raw) <= high:
        raise BadRequest(f"应为 {low} 到 {high} 之间的整数", field=name)
    return int(raw)


def page_bounds(
    request: Request, *, may_ask_all: bool = False, max_size: int = MAX_PAGE_SIZE
) -> tuple[int, int | None]:
    """Return (`current_page`, `page_size`). The size is None when the request asks for all rows with -1."""
    page = _integer_parameter(request, "current_page", 0, 0, MAX_PAGE)
    if may_ask_all and request.query_params.get("page_size", "").strip() == "-1":
        return page, None
    return page, _integer_parameter(request, "page_size", DEFAULT_PAGE_SIZE, 1, max_size)


def page_info(page: int, size: int, total: int) -> dict[str, int]:
    return {
        "current_page": page,
        "page_size": size,
        "total_page": ceil(total / size) if size else 0,
        "total_records": total,
    }


class PreparedList(Protocol):
    """A list that a prepared statement reads, page by page (accounts.queries.UserList)."""

    @property
    def columns(self) -> Sequence[str]: ...

    def page(self, user: Any, *args: Any, limit: int | None, offset: int) -> tuple[Sequence[Any], int]: ...


def listed(
    request: Request,
    rows: PreparedList | None,
    shape: type[Serializer[Any]],
    *args: Any,
    may_ask_all: bool = False,
) -> Response:
    """Return one page of the user's list, an empty one for None. `args` are the list's arguments after the user."""
    page, size = page_bounds(request, may_ask_all=may_ask_all)
    if rows is None:
        return Response(Answer([], page_info(page, size or 0, 0)))
    found, total = rows.page(request.user, *args, limit=size, offset=min(page * (size or 0), MAX_OFFSET))
    info = page_info(page, size, total) if size else page_info(0, total, total)
    return Response(Answer(output.written(shape, rows.columns, found), info))


def paged(
    request: Request,
    rows: QuerySet[Any, Any],
    shape: Callable[[Any], Any],
    *,
    may_ask_all: bool = False,
    max_size: int = MAX_PAGE_SIZE,
) -> Response:
    """Return one page of `rows`, which need a unique order. `shape(rows)` converts the rows to the form of the API.

    The keys of the page are found first, so that the tables that `shape` joins are joined to the page's rows and not to all
    rows before them.
    """
    page, size = page_bounds(request, may_ask_all=may_ask_all, max_size=max_size)
    total = rows.count()
    if size is None:
        return Response(Answer(shape(rows) if total else [], page_info(0, total, total)))
    if page * size >= total:
        return Response(Answer([], page_info(page, size, total)))
    keys = rows.values("pk")[page * size : (page + 1) * size]
    chosen = rows.model._default_manager.filter(pk__in=keys).order_by(*rows.query.order_by)
    return Response(Answer(shape(chosen), page_info(page, size, total)))
