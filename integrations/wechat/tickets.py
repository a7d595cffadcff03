"""WeChat's JS tickets: all processes share one per app, and one process at a time refreshes it."""

import hashlib
import secrets
import time

from django.core.cache import cache

from integrations.http import Refused, Unavailable
from integrations.wechat.login import SYSTEM, WeChat

EARLY_SECONDS = 300  # a ticket is refreshed so long before it expires
LOCK_SECONDS = 15  # longer than the two calls can take, so that no process deletes the lock of another
WAIT_SECONDS = 4


def jsapi_ticket(app_id: str, wechat: WeChat | None = None) -> str:
    """Return the current JS ticket of an app. Raises Refused for an unknown app, Unavailable after WAIT_SECONDS."""
    wechat = wechat or WeChat.from_settings()
    if app_id not in wechat.apps:  # checked first: an unknown app must not create cache keys
        raise Refused(SYSTEM, "40013", "app_id is not configured")
    key = f"jsapi-ticket:{app_id}"
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        known: str | None = cache.get(key)
        if known:
            return known
        if cache.add(f"{key}:lock", 1, LOCK_SECONDS):
            try:
                return cache.get(key) or _refresh(key, app_id, wechat)  # another process may have refreshed it
            finally:
                cache.delete(f"{key}:lock")
        time.sleep(0.05)
    raise Unavailable(SYSTEM, "no ticket")


def _refresh(key: str, app_id: str, wechat: WeChat) -> str:
    ticket = wechat.jsapi_ticket(wechat.stable_token(app_id))
    cache.set(key, ticket.value, max(1, ticket.expires_in - EARLY_SECONDS))
    return ticket.value


def js_sdk_parameters(app_id: str, url: str, *, at: int) -> dict[str, str]:
    """Return the parameters that the JS-SDK needs on this page (without its fragment). `at`: Unix seconds."""
    params = {
        "jsapi_ticket": jsapi_ticket(app_id),
        "noncestr": secrets.token_hex(8),
        "timestamp": str(at),
        "url": url.split("#", 1)[0],
    }
    line = "&".join(f"{name}={params[name]}" for name in sorted(params))
    signature = hashlib.sha1(line.encode()).hexdigest()  # noqa: S324 - WeChat prescribes it
    return {"timestamp": params["timestamp"], "noncestr": params["noncestr"], "signature": signature}
