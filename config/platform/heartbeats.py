"""Heartbeats: the moments at which senders, workers and beat last worked, for the dashboard.

A thread of each process stores the moment every ten seconds, if the process has worked since: one that hangs looks like one
that ended. The thread waits for Redis, the process never does.
"""

import threading
from contextlib import suppress
from datetime import datetime, timedelta

from django.core.cache import cache
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from redis.exceptions import RedisError

SECONDS = 10.0
MISSING_AFTER = timedelta(seconds=60)
_KEPT_SECONDS = 30 * 86400


class Process(TextChoices):
    """The kinds of processes without which work stands still."""

    SENDER = "sender", _("消息发送")
    WORKER = "worker", _("后台任务")
    BEAT = "beat", _("定时任务")


class Heartbeat(threading.Thread):
    """The thread of one process. Its loop calls `work_done` at least every minute."""

    def __init__(self, process: Process) -> None:
        super().__init__(name=f"heartbeat {process.value}", daemon=True)
        self.process, self.has_worked = process, threading.Event()

    def work_done(self) -> None:
        self.has_worked.set()

    def run(self) -> None:
        pause = threading.Event()
        while True:
            self.has_worked.wait()
            self.has_worked.clear()
            with suppress(RedisError):
                record(self.process, at=timezone.now())
            pause.wait(SECONDS)


def record(process: Process, *, at: datetime) -> None:
    cache.set(_key(process), at, _KEPT_SECONDS)


def last_seen() -> dict[Process, datetime | None]:
    """Return when a process of each kind last worked, None for never."""
    found = cache.get_many([_key(process) for process in Process])
    return {process: found.get(_key(process)) for process in Process}


def missing(*, at: datetime) -> dict[Process, datetime | None]:
    """Return the kinds of processes that have not worked for a minute, and when they last did."""
    return {
        process: moment for process, moment in last_seen().items() if moment is None or at - moment > MISSING_AFTER
    }


def _key(process: Process) -> str:
    return f"heartbeat:{process.value}"
