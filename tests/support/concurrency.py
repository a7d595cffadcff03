"""Concurrent transactions: a thread that waits for the locks of the test."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import connection

_CLEAR_SNAPSHOT = "SELECT pg_stat_clear_snapshot()"  # a transaction caches the statistics of other sessions
_WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""


def in_another_thread(threads: ThreadPoolExecutor, work: Callable[[], Any], *, waiting: int = 1) -> "Future[Any]":
    """Start the work in a thread and return when it waits for a lock. `waiting`: the number of sessions that then wait."""

    def alone() -> Any:
        try:
            return work()
        finally:
            connection.close()

    future = threads.submit(alone)
    until = time.monotonic() + 20
    while _count_waiting() < waiting:
        assert time.monotonic() < until, "nobody waits"
        time.sleep(0.02)
    return future


def _count_waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_CLEAR_SNAPSHOT)
        cursor.execute(_WAITING)
        count: int = cursor.fetchone()[0]
    return count
