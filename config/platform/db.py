"""SQL statements of our own, on the connection that Django's ORM uses."""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import QuerySet

Params = Sequence[Any] | Mapping[str, Any]
Item = TypeVar("Item")


def enum_params(**enums: type[Enum]) -> dict[str, Any]:
    """Return the values of enums as parameters: `enum_params(message=Status)` has `message_sent` for Status.SENT.

    psycopg2 writes parameters into the statement, so the planner sees them and uses partial indexes as for literals.
    """
    return {f"{name}_{member.name.lower()}": member.value for name, enum in enums.items() for member in enum}


def rows(sql: str, params: Params | None = None) -> list[tuple[Any, ...]]:
    """Run a statement that returns rows. Returns them all; a single row reads `[(name, count)] = rows(…)`."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        fetched: list[tuple[Any, ...]] = cursor.fetchall()
    return fetched


def execute(sql: str, params: Params | None = None) -> int:
    """Run a statement. Returns how many rows it wrote."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        written: int = cursor.rowcount
    return written


def stream(queryset: QuerySet[Any, Item], *, chunk: int) -> Iterator[Item]:
    """Yield the rows of a queryset that may not fit into memory, a chunk at a time from a cursor of the server.

    The transaction keeps the cursor on its connection behind PgBouncer.
    """
    with transaction.atomic():
        yield from queryset.iterator(chunk_size=chunk)
