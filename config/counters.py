"""Counting what happens often: in Redis at once, in PostgreSQL once a minute."""

from collections.abc import Iterator
from contextlib import suppress

from config.caching import REDIS_AWAY, redis


class Counter:
    """Counts by name. `take` hands over what was counted and subtracts it, so a count in between is kept."""

    def __init__(self, key: str) -> None:
        self.key = f"wxrobot:{key}"

    def add(self, name: str) -> None:
        """Count once more; what happens while Redis is away goes uncounted rather than wrong for the caller."""
        with suppress(*REDIS_AWAY):
            redis().hincrby(self.key, name, 1)

    def take(self) -> Iterator[tuple[str, int]]:
        for name, count in redis().hgetall(self.key).items():
            if int(count):
                yield str(name), int(count)
                redis().hincrby(self.key, str(name), -int(count))
