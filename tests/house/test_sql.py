"""SQL runs through one module, and values of an enum are written as the enum's members."""

import ast
import re
from collections.abc import Callable, Iterator

import pytest

from tests.support.paths import PROJECT
from tests.support.project import MODELS, SOURCES

# The embedded server's own database is made before Django has a connection.
OWN_CURSORS = {"config/platform/db.py", "config/local/embedded.py"}
QUERIES = {"Q", "When", "filter", "exclude", "get", "create", "update", "get_or_create", "update_or_create"}
QUERIES |= {model.__name__ for model in MODELS}
CHOICES: dict[str, set[object]] = {}  # the values of each column that has an enum, in whatever model
for _field in [field for model in MODELS for field in model._meta.fields if field.choices]:
    CHOICES.setdefault(_field.name, set()).update(value for value, _ in _field.choices)
COMPARISON = re.compile(
    rf"\b({'|'.join(CHOICES)})\s*(?:=|<>|<=?|>=?|(?:NOT )?IN\s*\()\s*('\w+'|\d+)"  # status = 0, kind IN ('user'
    rf"|('\w+'|\d+) AS ({'|'.join(CHOICES)})\b"  # 0 AS status
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
