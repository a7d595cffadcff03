"""The pace of robots: so many messages in any minute, counted in Redis across all senders."""

import logging
import random
import time
import uuid
from collections.abc import Mapping

from django.conf import settings
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60
AWAY_SECONDS = 1.0  # how often a Redis that is away is asked again
_JITTER_SECONDS = 1.5  # robots that answer like a clock are noticed
_LATER = range(int(_JITTER_SECONDS * 1000))

# One sorted set a robot: the moments of its last messages, each a little later than it was (ARGV[5] on), so that places
# taken together are not free together again, whichever sender asks. Grants up to `wanted` places in the sliding
# window and answers (granted, milliseconds until the next place is free). Redis' own clock decides.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local window, limit, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local free = limit - redis.call('ZCARD', KEYS[1])
local granted = math.max(0, math.min(free, wanted))
for i = 1, granted do redis.call('ZADD', KEYS[1], now + ARGV[4 + i], ARGV[4] .. ':' .. i) end
redis.call('PEXPIRE', KEYS[1], window * 2)
local wait = 0
if granted < wanted then
    local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
    wait = oldest[2] and (oldest[2] + window - now) or window
end
return {granted, wait}
"""


class Pace:
    """`take` asks for places; a robot without any is left alone by this process until one is free.

    While Redis is away nobody knows what others said, so nobody says anything: robots that speak too fast are
    banned, and what waits a little is only late.
    """

    def __init__(self, redis: Redis, per_minute: int) -> None:
        self.redis, self.per_minute = redis, per_minute
        self.resting: dict[str, float] = {}
        self.away_until = 0.0

    @classmethod
    def from_settings(cls) -> "Pace":
        redis = Redis.from_url(
            settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 1)
        )
        return cls(redis, settings.ROBOT_MESSAGES_PER_MINUTE)

    def is_known(self) -> bool:
        """Whether Redis can be asked; a moment after it could not, it is worth another try."""
        return time.monotonic() >= self.away_until

    def take(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """How many messages each robot (by code) may send now, of so many wanted. No limit: ROBOT_MESSAGES_PER_MINUTE=0."""
        if not self.per_minute or not wanted:
            return dict(wanted)
        pipe = self.redis.pipeline(transaction=False)
        for code, count in wanted.items():
            words = (WINDOW_SECONDS * 1000, self.per_minute, count, uuid.uuid4().hex)
            later = random.choices(_LATER, k=min(count, self.per_minute))  # noqa: S311 - no secret here
            pipe.eval(_TAKE, 1, f"wxrobot:pace:{code}", *words, *later)
        try:
            answers = pipe.execute()
        except RedisError as error:
            logger.warning("Redis does not answer (%s): robots are silent meanwhile", type(error).__name__)
            self.away_until = time.monotonic() + AWAY_SECONDS
            return dict.fromkeys(wanted, 0)
        return {code: self._granted(code, *answer) for code, answer in zip(wanted, answers, strict=True)}

    def _granted(self, robot_code: str, granted: int, wait: int) -> int:
        if wait:
            jitter = random.uniform(0, _JITTER_SECONDS)  # noqa: S311 - no secret here
            self.resting[robot_code] = time.monotonic() + wait / 1000 + jitter
        return granted

    def resting_robots(self) -> list[str]:
        """Codes of robots that have no place free yet."""
        now = time.monotonic()
        self.resting = {code: until for code, until in self.resting.items() if until > now}
        return list(self.resting)
