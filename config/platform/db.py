"""SQL statements of our own, on the connection that Django's ORM uses."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

Params = Sequence[Any] | Mapping[str, Any]


def rows(sql: str, params: Params | None = None) -> list[tuple[Any, ...]]:
    """Run a statement that returns rows. Returns them all; a single row reads `[(name, count)] = rows(…)`."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def execute(sql: str, params: Params | None = None) -> int:
    """Run a statement. Returns how many rows it wrote."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.rowcount
