"""The web server's time limits for PostgreSQL: a request without a response of the database ends with 503.

PostgreSQL cancels slow statements itself (`statement_timeout`), and TCP notices a host that is gone
(settings.DATABASES). Neither helps while the server accepts connections but does not respond, because of a stalled disk
or a stopped process. So psycopg2 waits in a callback with a time limit. After the limit psycopg2 closes the connection,
and Django opens another for the next request.
"""

import select
import time
from typing import Any

import psycopg2
from django.conf import settings
from psycopg2 import extensions

STATEMENT_SECONDS = 13
RESPONSE_SECONDS = 15.0  # longer than STATEMENT_SECONDS
CONNECT_SECONDS = 3.0


def limit_waiting() -> None:
    """Apply the limits to all connections that this process opens from now on."""
    options = settings.DATABASES["default"]["OPTIONS"]
    options["options"] += f" -c statement_timeout={STATEMENT_SECONDS}s"
    # Plans of prepared statements (config.platform.prepared) are made once per connection, not for each argument.
    options["options"] += " -c plan_cache_mode=force_generic_plan"
    extensions.set_wait_callback(_wait)


def _wait(connection: Any) -> None:
    """Wait until the connection has finished its operation. Raises OperationalError after the time limit."""
    is_connecting = connection.status == extensions.STATUS_SETUP
    deadline = time.monotonic() + (CONNECT_SECONDS if is_connecting else RESPONSE_SECONDS)
    while (state := connection.poll()) != extensions.POLL_OK:
        ready = select.poll()
        ready.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise psycopg2.OperationalError("PostgreSQL does not answer")
