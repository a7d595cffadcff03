"""Redis as an optional cache: while it is down, cached values are computed again."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache as once
from typing import TypeVar

from django.conf import settings
from django.core.cache import cache
from redis import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

# Unreachable, slow, loading, full, or a read-only replica: all cases are treated alike.
REDIS_AWAY = (RedisError,)
Value = TypeVar("Value")


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
    """Delete a cached value. While Redis is down, the value stays until its seconds are over."""
    with suppress(*REDIS_AWAY):
        cache.delete(key)
