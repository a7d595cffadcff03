"""How often: fixed windows in Redis, counted atomically, per user or else per address."""

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
local count, left = redis.call('INCRBY', KEYS[1], ARGV[2]), redis.call('PTTL', KEYS[1])
if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    left = tonumber(ARGV[1])
end
return {count, left}
"""


def key_of(scope: str, who: str) -> str:
    """Return the name of a count in Redis. It holds no phone, address or union_id that could be read there."""
    return f"wxrobot:throttle:{scope}:{keyed_hash('throttle', who)[:32]}"


def seconds_to_wait(scope: str, who: str, *, amount: int = 1) -> int:
    """Count a call of `who`, or `amount` of what it makes; 0 when it is allowed, else in how many seconds the window ends."""
    times, seconds = (int(part) for part in settings.THROTTLE_RATES[scope].split("/"))
    count, left = redis().eval(_COUNT, 1, key_of(scope, who), seconds * 1000, amount)
    return 0 if count <= times else ceil(left / 1000)


def count_call(scope: str, who: str, *, refusal: type[TooManyRequests] = TooManyRequests) -> None:
    """Count one call of `who`. Raises `refusal` when the window has had too many."""
    if wait := seconds_to_wait(scope, who):
        raise refusal(retry_after=wait)


def seconds_over_limit(scope: str, who: str, *, amount: int = 1) -> int:
    """Count what `who` makes against a limit far above ordinary use; 0 when it is allowed, and while Redis is away.

    Such a limit only keeps abuse within bounds: nobody's ordinary work stops because nobody can count.
    """
    with suppress(*REDIS_AWAY):
        return seconds_to_wait(scope, who, amount=amount)
    return 0


def count_made(scope: str, who: str, *, amount: int = 1) -> None:
    """Count what `who` makes. Raises TooManyRequests when the window has had too much; never while Redis is away."""
    if wait := seconds_over_limit(scope, who, amount=amount):
        raise TooManyRequests(retry_after=wait)


class Throttle(BaseThrottle):
    """Counts a call in `throttle_scope` of the view, and in the limits that `limits` has for the operation.

    Limits are for users and for callers without a credential: an outside system with a key, or an operator, has none.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        who = str(request.user.pk) if request.user and request.user.pk else client_address(request)
        scope = getattr(view, "throttle_scope", None)
        if scope is not None:
            count_call(scope, who)
        if isinstance(request.auth, ApiKey) or getattr(request.user, "is_staff", False):
            return True
        for limit in view.limits.get(view.action, ()):
            count_made(limit, who)
        return True
