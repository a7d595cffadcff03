"""The last run of each background task, by beat or on request, for the admin's page of periodic tasks.

Beat itself only counts the runs that it starts. The moments are in Redis: a write to the database for each run would be
one each second, and a lost moment only shows the last run by beat again.
"""

import time
from contextlib import suppress
from datetime import datetime

from config.platform.cache import REDIS_AWAY, redis

_KEY = "wxrobot:job-runs"
_PAUSE_SECONDS = 1.0  # between two writes of one process about the same task
_written: dict[str, float] = {}


def record_run(task: str, *, at: datetime) -> None:
    """Store that a run of the task ended."""
    now = time.monotonic()
    if now - _written.get(task, -_PAUSE_SECONDS) < _PAUSE_SECONDS:
        return
    _written[task] = now
    with suppress(*REDIS_AWAY):
        redis().hset(_KEY, task, at.isoformat())


def last_runs() -> dict[str, datetime]:
    """Return {task: end of its last run}, nothing while Redis is away."""
    with suppress(*REDIS_AWAY):
        stored: dict[str, str] = redis().hgetall(_KEY)  # type: ignore[assignment]  # redis-py's type is also of its async client
        return {task: datetime.fromisoformat(text) for task, text in stored.items()}
    return {}
