"""Nothing relies on the database session, so that PgBouncer may give each transaction to another one."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.paths import PROJECT
from tests.support.project import SOURCES

LOCKS, DATABASE = "config/platform/locks.py", "config/platform/db.py"
# PREPARED_STATEMENTS=0 switches them off, behind PgBouncer.
OPTIONAL = {"config/platform/prepared.py": {"a prepared statement"}}
SESSION = {  # what outlives the transaction
    "a lock of the session": re.compile(r"pg_(try_)?advisory_(lock|unlock)"),
    "a setting of the session": re.compile(r"(\A|;)\s*SET (?!LOCAL\b|CONSTRAINTS\b)(SESSION )?[a-z_]+ ?(=|TO)"),
    "a setting kept by set_config": re.compile(r"set_config\([^()]*,\s*false\s*\)", re.I),
    "a subscription": re.compile(r"^\s*(UN)?LISTEN\b"),
    "a prepared statement": re.compile(r"^\s*PREPARE\b"),
    "a cursor": re.compile(r"^\s*DECLARE\b.*\bCURSOR\b", re.S),
    "a temporary table that is not dropped": re.compile(
        r"CREATE (LOCAL )?TEMP(ORARY)? TABLE (?!\w+ (\([^)]*\) )?ON COMMIT DROP)"
    ),
}


def texts_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def uses_of_the_session(source: str) -> set[str]:
    return {name for text in texts_in(source) for name, pattern in SESSION.items() if pattern.search(text)}


def streams_in(source: str) -> bool:
    """Return whether rows are read from a cursor of the server, which belongs to a session or a transaction."""
    return any(isinstance(node, ast.Attribute) and node.attr == "iterator" for node in ast.walk(ast.parse(source)))


def locks_in(source: str) -> bool:
    return any("pg_advisory" in text or "pg_try_advisory" in text for text in texts_in(source))


def test_nothing_relies_on_the_session():
    sources = {
        str(path.relative_to(PROJECT)): path.read_text() for path in SOURCES if "config/local" not in str(path)
    }
    uses = {name: uses_of_the_session(source) for name, source in sources.items()}
    assert {name: found for name, found in uses.items() if found != OPTIONAL.get(name, set())} == {}
    assert {name for name, source in sources.items() if streams_in(source)} <= {DATABASE}
    assert {name for name, source in sources.items() if locks_in(source)} <= {LOCKS}
    assert [name for name, source in sources.items() if "connection_created" in source] == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_try_advisory_lock(1)",
        "SET synchronous_commit TO off",
        "SET SESSION lock_timeout = '3s'",
        "SELECT set_config('a.b', 'c', false)",
        "LISTEN jobs",
        "PREPARE p AS SELECT 1",
        "DECLARE c CURSOR FOR SELECT 1",
        "CREATE TEMPORARY TABLE t AS SELECT 1",
    ],
)
def test_the_search_finds_what_relies_on_the_session(sql: str):
    assert len(uses_of_the_session(f'SQL = "{sql}"')) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_advisory_xact_lock(1)",
        "SET LOCAL lock_timeout = '3s'",
        "UPDATE t SET status = 1",
        "SELECT set_config('a.b', 'c', true)",
        "CREATE TEMPORARY TABLE t ON COMMIT DROP AS SELECT 1",
    ],
)
def test_the_search_accepts_what_ends_with_the_transaction(sql: str):
    assert uses_of_the_session(f'SQL = "{sql}"') == set()


def test_the_search_finds_a_cursor_of_the_server():
    assert streams_in("for row in rows.iterator(): pass")
