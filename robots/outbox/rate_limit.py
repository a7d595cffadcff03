"""The rate limit of robots: a number of messages in any minute, counted in Redis across all senders."""

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

PERIOD_SECONDS = 60
RECONNECT_SECONDS = 1.0  # how often an unavailable Redis is tried again
_JITTER_SECONDS = 1.5  # WeChat notices robots that send at regular intervals
_JITTER_MILLISECONDS = range(int(_JITTER_SECONDS * 1000))

# Each robot has a sorted set with the times of its last messages in milliseconds. The random delays from ARGV[5] on are
# added to them, so that messages granted together do not leave the period together. The script grants up to `wanted`
# messages in the sliding period and returns {granted, milliseconds until the next one is allowed}, by Redis' clock.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local period, limit, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - period)
local free = limit - redis.call('ZCARD', KEYS[1])
local granted = math.max(0, math.min(free, wanted))
for i = 1, granted do redis.call('ZADD', KEYS[1], now + ARGV[4 + i], ARGV[4] .. ':' .. i) end
redis.call('PEXPIRE', KEYS[1], period * 2)
local wait = 0
if granted < wanted then
    local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
    wait = oldest[2] and (oldest[2] + period - now) or period
end
return {granted, wait}
"""


class RateLimiter:
    """The rate limit as one sender uses it. It remembers which robots have reached the limit.

    While Redis is unavailable the count of the other senders is unknown, so `take` grants nothing: WeChat bans robots
    that send too fast, while a waiting message is only late.
    """

    def __init__(self, redis: Redis, per_minute: int) -> None:
        self.redis, self.per_minute = redis, per_minute
        self.limited_until: dict[str, float] = {}  # by robot code, in monotonic seconds
        self.unavailable_until = 0.0

    @classmethod
    def from_settings(cls) -> "RateLimiter":
        redis = Redis.from_url(
            settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 1)
        )
        return cls(redis, settings.ROBOT_MESSAGES_PER_MINUTE)

    def is_available(self) -> bool:
        """Return whether Redis may be used: false for RECONNECT_SECONDS after an error."""
        return time.monotonic() >= self.unavailable_until

    def take(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """Return how many of the wanted messages each robot (by code) may send now.

        ROBOT_MESSAGES_PER_MINUTE=0 means no limit.
        """
        if not self.per_minute or not wanted:
            return dict(wanted)
        pipe = self.redis.pipeline(transaction=False)
        for code, count in wanted.items():
            args = (PERIOD_SECONDS * 1000, self.per_minute, count, uuid.uuid4().hex)
            delays = random.choices(_JITTER_MILLISECONDS, k=min(count, self.per_minute))  # noqa: S311 - no secret here
            pipe.eval(_TAKE, 1, f"wxrobot:pace:{code}", *args, *delays)
        try:
            answers = pipe.execute()
        except RedisError as error:
            logger.warning(
                "Redis does not answer (%s): no robot sends a message until it does", type(error).__name__
            )
            self.unavailable_until = time.monotonic() + RECONNECT_SECONDS
            return dict.fromkeys(wanted, 0)
        return {code: self._granted(code, *answer) for code, answer in zip(wanted, answers, strict=True)}

    def _granted(self, robot_code: str, granted: int, wait: int) -> int:
        if wait:
            jitter = random.uniform(0, _JITTER_SECONDS)  # noqa: S311 - no secret here
            self.limited_until[robot_code] = time.monotonic() + wait / 1000 + jitter
        return granted

    def limited_robots(self) -> list[str]:
        """Return the codes of the robots that have reached the limit."""
        now = time.monotonic()
        self.limited_until = {code: until for code, until in self.limited_until.items() if until > now}
        return list(self.limited_until)
