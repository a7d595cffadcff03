"""The test database: made from the prepared one, and put back as it was after each test that commits.

Django would empty every table by TRUNCATE and run `post_migrate` again, which took a second; here the tables that a test
left rows in are emptied by DELETE, and the rows that migrations wrote are compared and put back where they differ.
"""

from io import StringIO
from typing import Any

from django.db import connection, connections, transaction
from django.test import TransactionTestCase

from tests.support.prepared import TEMPLATE

# Triggers and foreign keys are checked in no order that a clean-up could keep to, and the ledger refuses any DELETE.
_WITHOUT_TRIGGERS = "SET LOCAL session_replication_role = replica"
_COLUMNS = """
SELECT class.relname, string_agg(quote_ident(attname), ', ' ORDER BY attname)
FROM pg_class class JOIN pg_attribute ON attrelid = class.oid
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
  AND relname <> 'django_migrations'
GROUP BY class.relname
"""
_migrated_rows: dict[str, str] = {}


def create_database(*, from_template: bool) -> None:
    """Create this process' test database, connect Django to it, and note the rows that migrations wrote."""
    if from_template:
        _copy_template()
    else:
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    columns = _columns()
    _migrated_rows.update({table: _rows(table, columns[table]) for table in _tables_with_rows(columns)})
    TransactionTestCase._fixture_teardown = restore_rows


def _copy_template() -> None:
    name = connection.settings_dict["TEST"]["NAME"] or f"test_{connection.settings_dict['NAME']}"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    connections.close_all()
    connection.settings_dict["NAME"] = connections.settings["default"]["NAME"] = name


def restore_rows(_: Any = None) -> None:
    """Bring every table back to what migrations left in it, once nobody writes any more."""
    with transaction.atomic():
        _execute(_WITHOUT_TRIGGERS)
        columns = _columns()
        _execute(f"LOCK TABLE {', '.join(columns)} IN SHARE MODE")
        for table in _tables_with_rows(columns):
            if table not in _migrated_rows:
                _execute(f"DELETE FROM {table}")
        for table, rows in _migrated_rows.items():
            if _rows(table, columns[table]) != rows:
                _execute(f"DELETE FROM {table}")
                _copy(f"COPY {table} ({columns[table]}) FROM STDIN", StringIO(rows))


def _columns() -> dict[str, str]:
    """Return the columns of each table that holds data, by name: a migration that was undone and redone reorders them."""
    return dict(_execute(_COLUMNS))


def _tables_with_rows(tables: Any) -> list[str]:
    found = " UNION ALL ".join(f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})" for table in tables)
    return [table for (table,) in _execute(found)]


def _rows(table: str, columns: str) -> str:
    rows = StringIO()
    _copy(f"COPY {table} ({columns}) TO STDOUT", rows)
    return rows.getvalue()


def _copy(statement: str, file: StringIO) -> None:
    with connection.cursor() as cursor:
        cursor.copy_expert(statement, file)


def _execute(statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
