"""Counters of frequent events: in Redis at once, in PostgreSQL once a minute."""

from collections.abc import Iterator
from contextlib import suppress

from config.platform.cache import REDIS_AWAY, redis

# Counts of zero are deleted, or every name ever counted would be read each minute.
_SUBTRACT = """
if redis.call('HINCRBY', KEYS[1], ARGV[1], -ARGV[2]) == 0 then redis.call('HDEL', KEYS[1], ARGV[1]) end
"""


class Counter:
    """Counts by name. `take` yields the counts and subtracts them, so that counts added in between are kept."""

    def __init__(self, key: str) -> None:
        self.key = f"wxrobot:{key}"

    def add(self, name: str) -> None:
        """Count once. While Redis is down nothing is counted, so that the caller's operation does not fail."""
        with suppress(*REDIS_AWAY):
            redis().hincrby(self.key, name, 1)

    def take(self) -> Iterator[tuple[str, int]]:
        for name, count in redis().hgetall(self.key).items():
            if int(count):
                yield str(name), int(count)
                redis().eval(_SUBTRACT, 1, self.key, name, int(count))
