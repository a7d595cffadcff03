"""The rate limit of robots, which all senders share in Redis."""

import time

import pytest

from robots.outbox.rate_limit import PERIOD_SECONDS, RateLimiter

KEY = "wxrobot:pace:robot-1"


@pytest.fixture
def limiters(settings) -> list[RateLimiter]:
    """Return the rate limiters of two senders."""
    both = [RateLimiter.from_settings() for _ in range(2)]
    both[0].redis.delete(KEY)
    return both


def let_a_minute_pass(limiter: RateLimiter) -> None:
    sent = limiter.redis.zrange(KEY, 0, -1, withscores=True)
    limiter.redis.zadd(KEY, {member: time_sent - PERIOD_SECONDS * 1000 for member, time_sent in sent})


def test_two_senders_share_twenty_a_minute(limiters):
    assert [limiter.take({"robot-1": 15})["robot-1"] for limiter in limiters] == [15, 5]


def test_messages_granted_together_do_not_leave_the_period_together(limiters):
    first, second = limiters
    first.take({"robot-1": 20})
    let_a_minute_pass(first)
    at_once = second.take({"robot-1": 20})["robot-1"]
    time.sleep(1.6)
    later = first.take({"robot-1": 20})["robot-1"]
    assert at_once < 10
    assert at_once + later == 20
