"""Waking background work once a transaction has committed; losing the wake-up loses nothing.

`wake` has a celery worker run a task. `ring` rings a bell for the processes that do one thing all the time and
listen for it (`Listener`); they look by themselves each second too.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import cache

from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

COOL_DOWN_SECONDS = 1.0  # how long nobody asks Redis after it did not answer
LONGEST_TRY_SECONDS = 8.0  # longer than any try takes
LISTEN_SECONDS = 5.0


def start_soon(task_name: str) -> None:
    """Have the task of that name run soon after this transaction commits, once however often it is asked for."""
    _once_committed(_TaskStart(task_name))


def notify(bell: str) -> None:
    """Ring a bell when this transaction commits, once however often it is asked for."""
    _once_committed(_Notification(bell))


class _Hook:
    """Something to do after the commit; two of a kind with one name are one."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> None:
        raise NotImplementedError


def _once_committed(hook: _Hook) -> None:
    asked_for = (entry[1] for entry in transaction.get_connection().run_on_commit)
    if not any(type(other) is type(hook) and getattr(other, "name", None) == hook.name for other in asked_for):
        transaction.on_commit(hook)


class _CircuitBreaker:
    """Knows whether Redis is worth asking. After a failure one thread a second tries; nobody else waits for it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.has_failed, self.try_at = False, 0.0

    def may_try(self) -> bool:
        with self.lock:
            now = time.monotonic()
            if self.has_failed and now < self.try_at:
                return False
            self.try_at = now + LONGEST_TRY_SECONDS  # for this thread's try; the others do not wait for its end
            return True

    def note(self, *, has_failed: bool) -> None:
        with self.lock:
            self.has_failed, self.try_at = has_failed, time.monotonic() + COOL_DOWN_SECONDS


class _TaskStart(_Hook):
    broker = _CircuitBreaker()

    def __call__(self) -> None:
        if not self.broker.may_try():
            return
        try:
            current_app.send_task(self.name, ignore_result=True, expires=10, retry=False)
        except (OperationalError, RedisError, OSError):
            self.broker.note(has_failed=True)
            logger.warning("Could not wake %s; beat will", self.name)
        else:
            self.broker.note(has_failed=False)


class _Notification(_Hook):
    redis = _CircuitBreaker()

    def __call__(self) -> None:
        if not self.redis.may_try():
            return
        try:
            _redis(settings.REDIS_URL).publish(_channel(self.name), b"1")
        except RedisError:
            self.redis.note(has_failed=True)
            logger.warning("Could not ring for %s; it looks each second", self.name)
        else:
            self.redis.note(has_failed=False)


def _channel(bell: str) -> str:
    return f"wxrobot:bell:{bell}"


@cache
def _redis(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


class Listener(threading.Thread):
    """Calls `heard` whenever the bell rings, and when it may have rung unheard because Redis was away."""

    def __init__(self, bell: str, heard: Callable[[], None]) -> None:
        super().__init__(name=f"bell {bell}", daemon=True)
        self.bell, self.heard = bell, heard
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                self._listen()
            except RedisError:
                self.stopping.wait(COOL_DOWN_SECONDS)

    def _listen(self) -> None:
        redis = Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=1, health_check_interval=10, retry=Retry(NoBackoff(), 0)
        )
        with redis, redis.pubsub(ignore_subscribe_messages=True) as ears:
            ears.subscribe(_channel(self.bell))
            self.heard()
            while not self.stopping.is_set():
                if ears.get_message(timeout=LISTEN_SECONDS) is not None:
                    self.heard()

    def stop(self) -> None:
        self.stopping.set()
