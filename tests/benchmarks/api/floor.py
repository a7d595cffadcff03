"""F: psycopg2 as it comes, each token verified each time. Served by gunicorn, two workers of eight threads."""

import threading
from collections.abc import Mapping
from typing import Any

import psycopg2

from . import services
from .wsgi import application_of

_local = threading.local()


def run(statement: str, params: Mapping[str, Any]) -> Any:
    """Run a statement on the connection of this thread."""
    connection = getattr(_local, "connection", None)
    if connection is None:
        connection = _local.connection = psycopg2.connect(services.DATABASE_URL)
        connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.fetchall()


application = application_of(run, services.verified, keeps=False)
