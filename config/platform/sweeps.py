"""Sweeps: background functions that process all due rows, each run by one thread of a process at a time.

Beat and `start_soon` start the same sweep again and again. Each start takes a thread of the worker, so sweeps that wait
for a slow outside system would occupy all threads, and events and replies would wait for minutes.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

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
