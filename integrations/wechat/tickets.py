"""WeChat's app tokens and JS tickets: one for all processes, refreshed by one of them at a time."""

import hashlib
import secrets
import time

from django.core.cache import cache

from integrations.http import Refused, Unavailable
from integrations.wechat.login import SYSTEM, WeChat

EARLY_SECONDS = 300  # refreshed before it ends
LOCK_SECONDS = 15  # longer than the two calls can take, so that nobody else's lock is let go of
WAIT_SECONDS = 4


def jsapi_ticket(app_id: str, wechat: WeChat | None = None) -> str:
    """The current JS ticket of an app. Refused: an app that is not ours."""
    wechat = wechat or WeChat.from_settings()
    if app_id not in wechat.apps:  # before it makes a key of the cache
        raise Refused(SYSTEM, "40013", "app_id is not configured")
    key = f"jsapi-ticket:{app_id}"
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        known: str | None = cache.get(key)
        if known:
            return known
        if cache.add(f"{key}:lock", 1, LOCK_SECONDS):
            try:
                return cache.get(key) or _refresh(key, app_id, wechat)  # known since we looked
            finally:
                cache.delete(f"{key}:lock")
        time.sleep(0.05)
    raise Unavailable(SYSTEM, "no ticket")


def _refresh(key: str, app_id: str, wechat: WeChat) -> str:
    ticket = wechat.jsapi_ticket(wechat.stable_token(app_id))
    cache.set(key, ticket.value, max(1, ticket.expires_in - EARLY_SECONDS))
    return ticket.value


def signed(app_id: str, url: str, *, at: int) -> dict[str, str]:
    """What the JS-SDK needs to run on this page (its fragment does not count). `at`: Unix seconds."""
    words = {
        "jsapi_ticket": jsapi_ticket(app_id),
        "noncestr": secrets.token_hex(8),
        "timestamp": str(at),
        "url": url.split("#", 1)[0],
    }
    line = "&".join(f"{name}={words[name]}" for name in sorted(words))
    signature = hashlib.sha1(line.encode()).hexdigest()  # noqa: S324 - WeChat prescribes it
    return {"timestamp": words["timestamp"], "noncestr": words["noncestr"], "signature": signature}
