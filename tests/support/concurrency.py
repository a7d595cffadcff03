"""Two at once in tests: what one does while another holds its locks."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import connection

_LOOK_ANEW = "SELECT pg_stat_clear_snapshot()"  # a transaction sees one picture of the others, else
_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""


def in_another_thread(threads: ThreadPoolExecutor, work: Callable[[], Any], *, waiting: int = 1) -> "Future[Any]":
    """Started, and waiting for what is locked; `waiting`: how many then wait in all."""

    def alone() -> Any:
        try:
            return work()
        finally:
            connection.close()

    future = threads.submit(alone)
    until = time.monotonic() + 20
    while _how_many_wait() < waiting:
        assert time.monotonic() < until, "nobody waits"
        time.sleep(0.02)
    return future


def _how_many_wait() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_ANEW)
        cursor.execute(_WAITING)
        count: int = cursor.fetchone()[0]
    return count
