"""Sweeps: background functions that process all due rows, each run by one thread of a process at a time.

Beat and `start_soon` start the same sweep again and again. Each start takes a thread of the worker, so sweeps that wait
for a slow outside system would occupy all threads, and events and replies would wait for minutes.
"""

import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import ParamSpec

from config.platform import db

# The same token renews the lease.
_TAKE = """
INSERT INTO config_sweeplease AS l (name, token, leased_until)
VALUES (%(name)s, %(token)s::uuid, %(leased_until)s)
ON CONFLICT (name) DO UPDATE SET token = EXCLUDED.token, leased_until = EXCLUDED.leased_until
WHERE l.leased_until <= %(at)s OR l.token = EXCLUDED.token
"""
_RELEASE = "DELETE FROM config_sweeplease WHERE name = %(name)s AND token = %(token)s::uuid"

Params = ParamSpec("Params")


def sweep(work: Callable[Params, int]) -> Callable[Params, int]:
    """Make `work`, which returns a number of rows, a sweep: a start while it runs in this process returns 0 at once.

    Rows that become due as a sweep ends are processed by the next sweep, which beat starts soon.
    """
    lock = threading.Lock()

    @wraps(work)
    def start(*args: Params.args, **kwargs: Params.kwargs) -> int:
        if not lock.acquire(blocking=False):
            return 0
        try:
            return work(*args, **kwargs)
        finally:
            lock.release()

    return start


class SingleRun:
    """A run of a sweep while no other process runs it, under a lease that ends by itself when the process is killed.

    The lease keeps a slow outside system from occupying a thread in every process. No rule depends on it: each row that the
    sweep processes has a lease of its own.
    """

    def __init__(self, name: str, lease: timedelta) -> None:
        self.name, self.lease, self.token = name, lease, str(uuid.uuid4())

    def may_continue(self, at: datetime) -> bool:
        """Take or renew the lease. Returns False while another run has it."""
        params = {"name": self.name, "token": self.token, "leased_until": at + self.lease, "at": at}
        return bool(db.execute(_TAKE, params))

    def end(self) -> None:
        """Release the lease, if this run still has it."""
        db.execute(_RELEASE, {"name": self.name, "token": self.token})
