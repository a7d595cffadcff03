"""Background work that goes through everything that is due: one thread of a process does each kind of it.

Beat and wake-ups start the same sweep again and again. Each start takes a thread of the worker, and a sweep that waits for
a slow outside system would in the end hold all of them: events and replies would wait for minutes.
"""

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

Given = ParamSpec("Given")


def sweep(work: Callable[Given, int]) -> Callable[Given, int]:
    """Make `work`, which returns how many items it did, a sweep: a start while it is under way returns 0 at once.

    What becomes due just as a sweep ends is found by the next one, which beat starts soon.
    """
    turn = threading.Lock()

    @wraps(work)
    def start(*args: Given.args, **kwargs: Given.kwargs) -> int:
        if not turn.acquire(blocking=False):
            return 0
        try:
            return work(*args, **kwargs)
        finally:
            turn.release()

    return start
