"""How often: fixed windows in Redis, counted atomically, per user or else per address."""

from math import ceil
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from config.caching import redis
from config.errors import Code, Refusal


class TooManyRequests(Refusal):
    """Called too often; `retry_after` says in how many seconds to come back."""

    code = Code.TOO_MANY_REQUESTS
    message = "操作太频繁，请稍后再试"

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = max(1, retry_after)


def client_address(request: Request | HttpRequest) -> str:
    """The caller's address, seen past our own proxies and no further."""
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    trusted = settings.TRUSTED_PROXIES
    if trusted and len(hops) >= trusted:
        return hops[-trusted]
    return str(request.META.get("REMOTE_ADDR", ""))


# Counting and opening the window are one step, so that no count is ever left without an end.
_COUNT = """
local count, left = redis.call('INCR', KEYS[1]), redis.call('PTTL', KEYS[1])
if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    left = tonumber(ARGV[1])
end
return {count, left}
"""


def seconds_to_wait(scope: str, who: str) -> int:
    """Count one call of `who`; 0 when it is allowed, else in how many seconds the window ends."""
    times, seconds = (int(part) for part in settings.THROTTLE_RATES[scope].split("/"))
    count, left = redis().eval(_COUNT, 1, f"wxrobot:throttle:{scope}:{who}", seconds * 1000)
    return 0 if count <= times else ceil(left / 1000)


def count_call(scope: str, who: str, *, refusal: type[TooManyRequests] = TooManyRequests) -> None:
    """Count one call of `who`. Raises `refusal` when the window has had too many."""
    if wait := seconds_to_wait(scope, who):
        raise refusal(retry_after=wait)


class Throttle(BaseThrottle):
    """Reads `throttle_scope` of the view."""

    def allow_request(self, request: Request, view: Any) -> bool:
        scope = getattr(view, "throttle_scope", None)
        if scope is not None:
            count_call(scope, str(request.user.pk) if request.user and request.user.pk else client_address(request))
        return True
