"""Redis, as a help that may be missing: what is only cached is found anew while it is away."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache as once
from typing import TypeVar

from django.conf import settings
from django.core.cache import cache
from redis import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

# Unreachable, slow, loading, full, or a replica that takes no writes: to us it is all the same.
REDIS_AWAY = (RedisError,)
Found = TypeVar("Found")


@once
def redis() -> Redis:
    """This process's client. A thread that finds all connections in use waits for one instead of failing."""
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


def cached(key: str, seconds: int, find: Callable[[], Found]) -> Found:
    """What `find` answers, remembered for so long unless it is None."""
    try:
        known: Found | None = cache.get(key)
    except REDIS_AWAY:
        return find()
    if known is None:
        known = find()
        with suppress(*REDIS_AWAY):
            cache.set(key, known, seconds)
    return known


def forget(key: str) -> None:
    """Have it found anew; while Redis is away it lives out its seconds."""
    with suppress(*REDIS_AWAY):
        cache.delete(key)
