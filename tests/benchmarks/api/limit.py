"""The limit of Python and WSGI: psycopg 3 with prepared statements, verified tokens kept. Served by Granian, 2 × 2."""

import threading
from collections.abc import Mapping
from typing import Any

import psycopg

from . import services
from .wsgi import application_of

_local = threading.local()


def run(statement: str, params: Mapping[str, Any]) -> Any:
    """Run a prepared statement on the connection of this thread."""
    cursor = getattr(_local, "cursor", None)
    if cursor is None:
        connection = psycopg.connect(services.DATABASE_URL, autocommit=True, prepare_threshold=0)
        connection.execute("SET plan_cache_mode = force_generic_plan")
        cursor = _local.cursor = connection.cursor(binary=True)
    return cursor.execute(statement, params).fetchall()


application = application_of(run, services.verified_once, keeps=True)
