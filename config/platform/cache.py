"""Redis as an optional cache: while it is down, cached values are computed again."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache as once
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import cache
from redis import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

# Unreachable, slow, loading, full, or a read-only replica: all cases are treated alike.
REDIS_AWAY = (RedisError,)
KEPT_SECONDS = 0.2
Value = TypeVar("Value")
_kept: dict[str, tuple[float, Any]] = {}


def forget_kept() -> None:
    """Forget what this process keeps."""
    _kept.clear()


@once
def redis() -> Redis:
    """Return the client of this process. A thread waits for a free connection instead of failing."""
    pool = BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=50,
        timeout=2,
        socket_timeout=2,
        socket_connect_timeout=2,
        health_check_interval=30,
        decode_responses=True,
    )
    return Redis(connection_pool=pool)


def kept(key: str, seconds: int, find: Callable[[], Value]) -> Value:
    """Return `cached(key, seconds, find)`, which this process keeps for KEPT_SECONDS without asking Redis."""
    until, value = _kept.get(key, (0.0, None))
    if value is None or time.monotonic() >= until:
        value = cached(key, seconds, find)
        _kept[key] = (time.monotonic() + KEPT_SECONDS, value)
    found: Value = value
    return found


def cached(key: str, seconds: int, find: Callable[[], Value]) -> Value:
    """Return the value of `find`, cached for these seconds unless it is None."""
    try:
        value: Value | None = cache.get(key)
    except REDIS_AWAY:
        return find()
    if value is None:
        value = find()
        with suppress(*REDIS_AWAY):
            cache.set(key, value, seconds)
    return value


def delete_cached(key: str) -> None:
    """Delete a cached value. While Redis is down, the value stays until its seconds are over.

    Other processes that keep it show it for KEPT_SECONDS.
    """
    _kept.pop(key, None)
    with suppress(*REDIS_AWAY):
        cache.delete(key)
