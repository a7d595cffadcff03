"""SQL runs through one module, and values of an enum are written as the enum's members."""

import ast
import re
from collections.abc import Callable, Iterator

import pytest

from tests.support.paths import PROJECT
from tests.support.project import MODELS, SOURCES

# The embedded server's own database is made before Django has a connection.
OWN_CURSORS = {"config/platform/db.py", "config/platform/prepared.py", "config/local/embedded.py"}
QUERIES = {"Q", "When", "filter", "exclude", "get", "create", "update", "get_or_create", "update_or_create"}
QUERIES |= {model.__name__ for model in MODELS}
CHOICES: dict[str, set[object]] = {}  # the values of each column that has an enum, in whatever model
for _field in [field for model in MODELS for field in model._meta.fields if field.choices]:
    CHOICES.setdefault(_field.name, set()).update(value for value, _ in _field.choices)
COMPARISON = re.compile(
    rf"\b({'|'.join(CHOICES)})\s*(?:=|<>|<=?|>=?|(?:NOT )?IN\s*\()\s*('\w+'|\d+)"  # status = 0, kind IN ('user'
    rf"|('\w+'|\d+) AS ({'|'.join(CHOICES)})\b"  # 0 AS status
)
# A source or key is compared as a whole: what a query needs to know stands in a column of its own.
WHOLE = "cause|source_id|source_type|idempotency_key|ordering_key"
TAKEN_APART = re.compile(
    rf"\b(?:substr|substring|split_part|left|right|starts_with|regexp_\w+)\s*\(\s*(?:\w+\.)?({WHOLE})\b"
    rf"|\b({WHOLE})(?:::text)?\s+(?:NOT )?(?:I?LIKE|SIMILAR TO|~\*?)\b"
    rf"|\b({WHOLE})__(?:i?startswith|i?endswith|i?contains|i?regex)\b"
    rf"|\b({WHOLE})\.(?:startswith|endswith|removeprefix|partition|rpartition|split|rsplit|replace)\("
    rf"|\b({WHOLE})\[",
    re.IGNORECASE,
)


def calls_in(source: str) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]


def cursors_in(source: str) -> list[int]:
    """Return the lines that open a cursor."""
    return [
        call.lineno
        for call in calls_in(source)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "cursor"
    ]


def literals_in_queries(source: str) -> Iterator[str]:
    """Yield the arguments of queries that give a column with an enum a bare value."""
    for call in calls_in(source):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        for keyword in call.keywords if name in QUERIES else ():
            columns = CHOICES.keys() & set((keyword.arg or "").split("__"))
            constants = [node.value for node in ast.walk(keyword.value) if isinstance(node, ast.Constant)]
            values = {value for value in constants if not isinstance(value, bool)}  # `__isnull=True`
            if any(values & CHOICES[column] for column in columns):
                yield f"{call.lineno}: {ast.unparse(keyword)}"


def literals_in_sql(source: str) -> Iterator[str]:
    """Yield the comparisons of SQL texts in which a column with an enum has a bare value."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for match in COMPARISON.finditer(node.value if " " in node.value else ""):
                yield f"{node.lineno}: {match.group()}"


def keys_taken_apart(source: str) -> Iterator[str]:
    """Yield the places that look for a part of a source or of a key."""
    for number, line in enumerate(source.splitlines(), start=1):
        for match in TAKEN_APART.finditer(line):
            yield f"{number}: {match.group()}"


def found_by(search: Callable[[str], Iterator[str]]) -> dict[str, list[str]]:
    """Return the findings of this search in each file."""
    found = {str(path.relative_to(PROJECT)): list(search(path.read_text())) for path in SOURCES}
    return {path: lines for path, lines in found.items() if lines}


def test_a_statement_runs_through_the_one_module_for_it():
    opened = {str(path.relative_to(PROJECT)) for path in SOURCES if cursors_in(path.read_text())}
    assert opened == OWN_CURSORS


def test_the_search_finds_a_cursor():
    assert cursors_in("with connection.cursor() as cursor:\n    cursor.execute('SELECT 1')") == [1]


def test_queries_name_the_members_of_enums():
    assert found_by(literals_in_queries) == {}


@pytest.mark.parametrize(
    "query",
    ["Q(status=0)", "users.filter(robot__status__in=[1, 2])", "Account(kind='user')", "x.update(state='sent')"],
)
def test_the_search_finds_a_bare_value_in_a_query(query: str):
    assert len(list(literals_in_queries(query))) == 1


def test_sql_takes_the_values_of_enums_as_parameters():
    assert found_by(literals_in_sql) == {}


@pytest.mark.parametrize(
    "sql", ["WHERE o.status = 0", "AND r.status NOT IN (1, 2)", "WHERE kind <> 'user'", "SELECT 0 AS status FROM t"]
)
def test_the_search_finds_a_bare_value_in_sql(sql: str):
    assert len(list(literals_in_sql(f'SQL = "{sql}"'))) == 1


def test_sources_and_keys_are_compared_as_a_whole():
    assert found_by(keys_taken_apart) == {}


@pytest.mark.parametrize(
    "code",
    [
        "substr(o.source_id, 8)::uuid",
        "split_part(idempotency_key, ':', 2)",
        "o.source_id LIKE 'launch:%'",
        "messages.filter(source_id__startswith=x)",
        "message.source_id.partition(':')",
        "row.idempotency_key[8:]",
    ],
)
def test_the_search_finds_a_key_that_is_taken_apart(code: str):
    assert len(list(keys_taken_apart(code))) == 1


def test_whole_sources_and_keys_are_no_breach():
    whole = "o.source_id = d.launch_id::text\nx.filter(source_id__in=ids)\nposted.idempotency_key == key"
    assert list(keys_taken_apart(whole)) == []


# The columns that all queues share, behind the names that each had for them.
RENAMED = {
    "ordering_key": {"chat", "lane"},
    "next_attempt_at": {"retry_at", "due_at"},
    "attempts": {"try_count"},
    "finished_at": {"settled_at", "ended_at", "done_at"},
    "last_error": {"reason", "note"},
    "source_type, idempotency_key": {"cause", "dedupe_key"},
}


@pytest.mark.parametrize("table", ["robots_outboxmessage", "robots_messageattempt"])
def test_a_queue_uses_the_names_that_all_queues_share(table: str):
    [columns] = [
        {field.column for field in model._meta.fields} for model in MODELS if model._meta.db_table == table
    ]
    assert {new: old & columns for new, old in RENAMED.items() if old & columns} == {}


def test_no_table_counts_or_times_attempts_under_another_name():
    others = RENAMED["next_attempt_at"] | RENAMED["attempts"]
    columns = {f"{model.__name__}.{field.column}" for model in MODELS for field in model._meta.fields}
    assert {column for column in columns if column.partition(".")[2] in others} == set()


def test_the_ledger_has_an_idempotency_key_and_no_cause():
    [columns] = [{f.column for f in m._meta.fields} for m in MODELS if m.__name__ == "LedgerTransaction"]
    assert columns & {"cause", "idempotency_key"} == {"idempotency_key"}
