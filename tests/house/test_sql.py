"""SQL goes through one module."""

import ast

from tests.house.test_house import PROJECT, SOURCES

# The embedded server's own database is made before Django has a connection; `send` gets the new connection from a signal.
OWN_CURSORS = {"config/platform/db.py", "config/local/embedded.py", "robots/management/commands/send.py"}


def cursors_in(source: str) -> list[int]:
    """Return the lines that open a cursor."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "cursor"]


def test_the_search_finds_a_cursor():
    assert cursors_in("with connection.cursor() as cursor:\n    cursor.execute('SELECT 1')") == [1]


def test_a_statement_runs_through_the_one_module_for_it():
    opened = {str(path.relative_to(PROJECT)) for path in SOURCES if cursors_in(path.read_text())}
    assert opened == OWN_CURSORS
