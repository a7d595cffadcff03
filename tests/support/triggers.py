"""Disabled triggers, for tests of what happens past a rule."""

from collections.abc import Iterator
from contextlib import contextmanager

import pgtrigger
from django.db import connection


def disable_trigger(uri: str) -> None:
    """Disable a trigger, such as "earnings.LedgerEntry:append_only", until the test's transaction is rolled back."""
    _alter("DISABLE", uri)


@contextmanager
def without_trigger(uri: str) -> Iterator[None]:
    """Disable a trigger for some statements."""
    _alter("DISABLE", uri)
    yield
    _alter("ENABLE", uri)


def _alter(verb: str, uri: str) -> None:
    [(model, trigger)] = pgtrigger.registered(uri)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with pending events cannot be altered
        cursor.execute(f"ALTER TABLE {model._meta.db_table} {verb} TRIGGER {trigger.get_pgid(model)}")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
