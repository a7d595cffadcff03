"""The connection of settings.DATABASES; Django looks for it under this name."""

import select
from typing import Any

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Return whether the server has left the connection open. Django asks before a request uses a kept connection.

        Django's own check is a statement, which takes a quarter of a small request's time. A server that stops or restarts
        closes its connections, so that their sockets become readable; one that does not respond is noticed by the time
        limits of the statements themselves.
        """
        connection: Any = self.connection
        if connection is None or connection.closed:
            return False
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        return not poll.poll(0)
