"""The pages and rows that statements read, from the plans that PostgreSQL explains."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

# A few thousand rows are so few that PostgreSQL rather reads a whole table or index than look a thousand rows up. With a
# million rows it would not, so it may not here, where there is another way.
AS_WITH_A_MILLION = "".join(f"SET LOCAL enable_{way} = off;" for way in ("seqscan", "hashjoin", "mergejoin"))
_EXPLAINED = ("SELECT", "WITH", "EXECUTE", "UPDATE", "INSERT", "DELETE")


@dataclass(frozen=True)
class Read:
    """The pages that a statement read, of tables and indexes, and the rows of its longest scan and its longest sort."""

    sql: str
    buffers: int
    scanned: int
    sorted: int
    returned: int


@contextmanager
def noted_reads() -> Iterator[list[Read]]:
    """Return the list of what the statements read that this thread sends."""
    reads: list[Read] = []

    def explain_too(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        settings, _, statement = sql.strip().rpartition(";\n")
        if statement.startswith(_EXPLAINED) and not many:
            reads.append(_explained(settings, statement, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain_too):
        yield reads


def _explained(settings: str, sql: str, params: Any) -> Read:
    """Run the statement, after its settings, and undo what it wrote."""
    with connection.connection.cursor() as cursor:
        cursor.execute(f"SAVEPOINT explained; {settings}")
        try:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", params)
            [(found,)] = cursor.fetchall()
        finally:
            cursor.execute("ROLLBACK TO SAVEPOINT explained")
    plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return Read(
        sql=sql,
        buffers=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        scanned=max(map(_scanned, _nodes(plan))),
        sorted=max(map(_sorted, _nodes(plan))),
        returned=int(plan["Actual Rows"]),
    )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _scanned(node: dict[str, Any]) -> int:
    """Return how many rows a scan of a table or an index visited."""
    if "Relation Name" not in node or node["Node Type"] == "ModifyTable":
        return 0
    each = (
        node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    )
    return round(each * node["Actual Loops"])


def _sorted(node: dict[str, Any]) -> int:
    """Return how many rows a sort received at a time."""
    return round(node["Plans"][0]["Actual Rows"]) if "Sort" in node["Node Type"] else 0
