"""Rate limits: fixed windows in Redis, counted atomically, per user or else per address."""

from contextlib import suppress
from math import ceil
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.errors import Code, Refusal
from config.models import ApiKey
from config.platform.cache import REDIS_AWAY, redis
from config.platform.signatures import keyed_hash


class TooManyRequests(Refusal):
    """A call beyond the rate limit. `retry_after` is the number of seconds until the next call is allowed."""

    code = Code.TOO_MANY_REQUESTS
    message = "操作太频繁，请稍后再试"

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


def client_address(request: Request | HttpRequest) -> str:
    """Return the address of the caller. Only the hops added by our own proxies (TRUSTED_PROXIES) are trusted."""
    forwarded: str = request.META.get("HTTP_X_FORWARDED_FOR", "")
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    trusted: int = settings.TRUSTED_PROXIES
    if trusted and len(hops) >= trusted:
        return hops[-trusted]
    return str(request.META.get("REMOTE_ADDR", ""))


# One script counts and opens the window, so that no count is left without an expiry.
_COUNT = """
local count, left = redis.call('INCRBY', KEYS[1], ARGV[2]), redis.call('PTTL', KEYS[1])
if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    left = tonumber(ARGV[1])
end
return {count, left}
"""


def key_of(scope: str, caller: str) -> str:
    """Return the Redis key of a count. Phones, addresses and union_ids are hashed, so that nobody can read them there."""
    return f"wxrobot:throttle:{scope}:{keyed_hash('throttle', caller)[:32]}"


def seconds_to_wait(scope: str, caller: str, *, amount: int = 1) -> int:
    """Count a call, or `amount` created objects. Returns 0 when allowed, else the seconds until the window ends."""
    times, seconds = (int(part) for part in settings.THROTTLE_RATES[scope].split("/"))
    count, left = redis().eval(_COUNT, 1, key_of(scope, caller), seconds * 1000, amount)
    return 0 if count <= times else ceil(left / 1000)


def count_call(scope: str, caller: str, *, refusal: type[TooManyRequests] = TooManyRequests) -> None:
    """Count one call. Raises `refusal` beyond the limit of the window."""
    if wait := seconds_to_wait(scope, caller):
        raise refusal(retry_after=wait)


def seconds_over_limit(scope: str, caller: str, *, amount: int = 1) -> int:
    """Count created objects against a limit far above ordinary use. Returns 0 when allowed and while Redis is down.

    Such a limit only restrains abuse, so ordinary work goes on when nothing can be counted.
    """
    with suppress(*REDIS_AWAY):
        return seconds_to_wait(scope, caller, amount=amount)
    return 0


def count_made(scope: str, caller: str, *, amount: int = 1) -> None:
    """Count created objects. Raises TooManyRequests beyond the limit of the window, but never while Redis is down."""
    if wait := seconds_over_limit(scope, caller, amount=amount):
        raise TooManyRequests(retry_after=wait)


class Throttle(BaseThrottle):
    """A throttle that counts a call in `throttle_scope` of the view, and in the `limits` of the operation.

    `limits` apply to users and to callers without a credential, not to keys and operators.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        caller = str(request.user.pk) if request.user and request.user.pk else client_address(request)
        scope = getattr(view, "throttle_scope", None)
        if scope is not None:
            count_call(scope, caller)
        if isinstance(request.auth, ApiKey) or getattr(request.user, "is_staff", False):
            return True
        for limit in view.limits.get(view.action, ()):
            count_made(limit, caller)
        return True
