"""How long the web server waits for PostgreSQL: a request that gets no answer ends with 503 instead of holding its thread.

PostgreSQL ends slow statements itself (`statement_timeout`), TCP notices a host that is gone (settings.DATABASES). Neither
helps while the server accepts connections and then says nothing: a stalled disk, a stopped process. So psycopg2 waits
through a callback here, which gives up. It then closes the connection, and Django opens another for the next request.
"""

import select
import time
from typing import Any

import psycopg2
from django.conf import settings
from psycopg2 import extensions

STATEMENT_SECONDS = 13
ANSWER_SECONDS = 15.0  # more than a statement may take
CONNECT_SECONDS = 3.0


def limit_waiting() -> None:
    """Apply the limits to every connection that this process opens from now on."""
    options = settings.DATABASES["default"]["OPTIONS"]
    options["options"] += f" -c statement_timeout={STATEMENT_SECONDS}s"
    extensions.set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    """Wait until the connection has done what it was asked to do. Raises OperationalError when that takes too long."""
    is_connecting = connection.status == extensions.STATUS_SETUP
    deadline = time.monotonic() + (CONNECT_SECONDS if is_connecting else ANSWER_SECONDS)
    while (state := connection.poll()) != extensions.POLL_OK:
        ready = select.poll()
        ready.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise psycopg2.OperationalError("PostgreSQL does not answer")
