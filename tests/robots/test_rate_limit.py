"""The pace of robots, as all senders together keep it in Redis."""

import time

import pytest

from robots.outbox.rate_limit import WINDOW_SECONDS, RateLimiter

KEY = "wxrobot:pace:robot-1"


@pytest.fixture
def paces(settings) -> list[RateLimiter]:
    """Two senders' own."""
    both = [RateLimiter.from_settings() for _ in range(2)]
    both[0].redis.delete(KEY)
    return both


def a_minute_goes_by(pace: RateLimiter) -> None:
    said = pace.redis.zrange(KEY, 0, -1, withscores=True)
    pace.redis.zadd(KEY, {member: moment - WINDOW_SECONDS * 1000 for member, moment in said})


def test_two_senders_share_twenty_a_minute(paces):
    assert [pace.take({"robot-1": 15})["robot-1"] for pace in paces] == [15, 5]


def test_places_taken_together_are_not_free_together_again(paces):
    first, second = paces
    first.take({"robot-1": 20})
    a_minute_goes_by(first)
    at_once = second.take({"robot-1": 20})["robot-1"]
    time.sleep(1.6)
    later = first.take({"robot-1": 20})["robot-1"]
    assert at_once < 10
    assert at_once + later == 20
