"""The pace of robots: so many messages in any minute, counted in Redis across all senders."""

import random
import time
import uuid

from django.conf import settings
from redis import Redis

WINDOW_SECONDS = 60
_JITTER_SECONDS = 1.5  # robots that answer like a clock are noticed

# One sorted set a robot: the moments of its last messages. Grants up to `wanted` places in the sliding
# window and answers (granted, milliseconds until the next place is free). Redis' own clock decides.
_TAKE = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local window, limit, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local free = limit - redis.call('ZCARD', KEYS[1])
local granted = math.max(0, math.min(free, wanted))
for i = 1, granted do redis.call('ZADD', KEYS[1], now, ARGV[4] .. ':' .. i) end
redis.call('PEXPIRE', KEYS[1], window)
local wait = 0
if granted < wanted then
    local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
    wait = oldest[2] and (oldest[2] + window - now) or window
end
return {granted, wait}
"""


class Pace:
    """`take` asks for places; a robot without any is left alone by this process until one is free."""

    def __init__(self, redis: Redis, per_minute: int) -> None:
        self.redis, self.per_minute = redis, per_minute
        self.resting: dict[str, float] = {}

    @classmethod
    def from_settings(cls) -> "Pace":
        redis = Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
        return cls(redis, settings.ROBOT_MESSAGES_PER_MINUTE)

    def take(self, robot_code: str, wanted: int) -> int:
        """How many of `wanted` messages this robot may send now."""
        key = f"wxrobot:pace:{robot_code}"
        words = (WINDOW_SECONDS * 1000, self.per_minute, wanted, uuid.uuid4().hex)
        granted, wait = self.redis.eval(_TAKE, 1, key, *words)
        if granted < wanted:
            jitter = random.uniform(0, _JITTER_SECONDS)  # noqa: S311 - no secret here
            self.resting[robot_code] = time.monotonic() + wait / 1000 + jitter
        return int(granted)

    def resting_robots(self) -> list[str]:
        """Codes of robots that have no place free yet."""
        now = time.monotonic()
        self.resting = {code: until for code, until in self.resting.items() if until > now}
        return list(self.resting)
