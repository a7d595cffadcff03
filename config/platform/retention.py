"""Forgetting what is old enough, however much of it there is."""

from datetime import datetime
from typing import Any

from django.db import connection

CHUNK = 10_000  # rows deleted in one statement


def delete_in_chunks(statement: str, *, before: datetime, chunk: int = CHUNK, **words: Any) -> int:
    """Run a DELETE of at most `chunk` rows from before that moment until nothing is left for it. Returns how many rows.

    It names its rows by place, `ctid = ANY(ARRAY(SELECT ctid …))`: a join of the table with the rows chosen compares
    each with each while PostgreSQL still believes the table to be empty (measured 28 s for 10,000 rows, else 0.01 s).
    Each chunk is a transaction: a killed run leaves less for the next, and no lock is held for long.
    """
    total = 0
    with connection.cursor() as cursor:
        while True:
            cursor.execute(statement, {"before": before, "chunk": chunk, **words})
            total += cursor.rowcount
            if cursor.rowcount < chunk:
                return total
