"""Early starts of background work after a commit. A lost start only causes a delay.

`start_soon` starts a Celery task. `notify` publishes on a Redis channel for processes that subscribe to it (`Listener`);
these processes also look for work each second.
"""

import atexit
import logging
import os
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

GATHER_SECONDS = 0.01
COOL_DOWN_SECONDS = 1.0  # without calls to Redis after a failed call
LONGEST_TRY_SECONDS = 8.0  # longer than any call takes
LISTEN_SECONDS = 5.0


def start_soon(task_name: str) -> None:
    """Start the task of this name once after this transaction commits, however often it is requested."""
    _once_committed(_TaskStart(task_name))


def notify(channel: str) -> None:
    """Publish on a channel once after this transaction commits, however often it is requested."""
    _once_committed(_Notification(channel))


class _Hook:
    """A function to call after the commit. Two of the same class and name are called once."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> None:
        raise NotImplementedError


def _once_committed(hook: _Hook) -> None:
    registered = (entry[1] for entry in transaction.get_connection().run_on_commit)
    if not any(type(other) is type(hook) and getattr(other, "name", None) == hook.name for other in registered):
        transaction.on_commit(hook)


class _CircuitBreaker:
    """A circuit breaker for calls to Redis. After a failure one thread per second tries, and no other thread waits."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.has_failed, self.try_at = False, 0.0

    def may_try(self) -> bool:
        with self.lock:
            now = time.monotonic()
            if self.has_failed and now < self.try_at:
                return False
            self.try_at = now + LONGEST_TRY_SECONDS  # only this thread tries; the others skip meanwhile
            return True

    def record(self, *, has_failed: bool) -> None:
        with self.lock:
            self.has_failed, self.try_at = has_failed, time.monotonic() + COOL_DOWN_SECONDS


class _Starter:
    """A thread that starts tasks, so that no request waits for the broker. Requests within GATHER_SECONDS share a start."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.changed = threading.Condition()
        self.requested: dict[str, None] = {}
        self.is_starting = False
        self.thread: threading.Thread | None = None

    def request(self, task_name: str) -> None:
        with self.changed:
            self.requested[task_name] = None
            if self.thread is None:
                self.thread = threading.Thread(target=self._run, name="task starter", daemon=True)
                self.thread.start()
            self.changed.notify_all()

    def finish(self) -> None:
        """Wait until the requested tasks are started; short-lived processes end with it."""
        with self.changed:
            self.changed.wait_for(lambda: not (self.requested or self.is_starting), timeout=LONGEST_TRY_SECONDS)

    def _run(self) -> None:
        while True:
            with self.changed:
                self.is_starting = False
                self.changed.notify_all()
                self.changed.wait_for(lambda: self.requested)
                names, self.requested, self.is_starting = list(self.requested), {}, True
            are_started = [_start(name) for name in names]
            time.sleep(GATHER_SECONDS if all(are_started) else COOL_DOWN_SECONDS)


def _start(task_name: str) -> bool:
    try:
        current_app.send_task(task_name, ignore_result=True, expires=10, retry=False)
    except (OperationalError, RedisError, OSError):
        logger.warning("Could not start %s; beat will", task_name)
        return False
    return True


_starter = _Starter()
atexit.register(_starter.finish)
os.register_at_fork(after_in_child=_starter.reset)  # a forked process has no thread of its parent


class _TaskStart(_Hook):
    def __call__(self) -> None:
        _starter.request(self.name)


class _Notification(_Hook):
    redis = _CircuitBreaker()

    def __call__(self) -> None:
        if not self.redis.may_try():
            return
        try:
            _redis(settings.REDIS_URL).publish(_channel(self.name), b"1")
        except RedisError:
            self.redis.record(has_failed=True)
            logger.warning("Could not notify %s; it looks for work each second", self.name)
        else:
            self.redis.record(has_failed=False)


def _channel(name: str) -> str:
    return f"wxrobot:notify:{name}"


@cache
def _redis(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))


class Listener(threading.Thread):
    """A thread that calls `on_notified` at each message of the channel, and after each lost connection to Redis."""

    def __init__(self, channel: str, on_notified: Callable[[], None]) -> None:
        super().__init__(name=f"listener {channel}", daemon=True)
        self.channel, self.on_notified = channel, on_notified
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
        with redis, redis.pubsub(ignore_subscribe_messages=True) as subscription:
            subscription.subscribe(_channel(self.channel))
            self.on_notified()
            while not self.stopping.is_set():
                if subscription.get_message(timeout=LISTEN_SECONDS) is not None:
                    self.on_notified()

    def stop(self) -> None:
        self.stopping.set()
