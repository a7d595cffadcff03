"""Big databases for benchmarks: every table of TABLES grows from ten thousand rows to a million."""

from django.db import connection

from tests.benchmarks.harness import report
from tests.support.generated_rows import MANY, TABLES, fill

SMALL, BIG = MANY, 1_000_000


def grow(first: int, last: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers, no look at foreign keys
        for table in TABLES:
            fill(table, first, last)
            cursor.execute(f"ANALYZE {table}")
            report(f"    {table}: {last:,} rows")
        cursor.execute("SET session_replication_role = DEFAULT")
