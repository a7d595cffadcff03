"""Counting what happens often: in Redis at once, in PostgreSQL once a minute."""

from collections.abc import Iterator

from django.conf import settings
from redis import Redis


class Counter:
    """Counts by name. `take` hands over what was counted and subtracts it, so a count in between is kept."""

    def __init__(self, key: str) -> None:
        self.key = f"wxrobot:{key}"

    def add(self, name: str) -> None:
        _redis().hincrby(self.key, name, 1)

    def take(self) -> Iterator[tuple[str, int]]:
        redis = _redis()
        for name, count in redis.hgetall(self.key).items():
            if int(count):
                yield str(name), int(count)
                redis.hincrby(self.key, str(name), -int(count))


def _redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=2, decode_responses=True)
