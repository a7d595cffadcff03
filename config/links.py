"""Short links: the same long address always gets the same short one."""

import hashlib
import secrets

from django.conf import settings
from django.core.cache import cache
from django.db.models import F
from redis import Redis

from config.errors import NotFound
from config.models import ShortLink

_CACHE_SECONDS = 3600
_CLICKS = "wxrobot:link-clicks"


def shorten(url: str) -> str:
    """The short address of this http(s) address, at most 2,048 characters long."""
    link, _ = ShortLink.objects.get_or_create(
        url_hash=hashlib.sha256(url.encode()).hexdigest(),
        defaults={"url": url, "slug": secrets.token_urlsafe(6)},
    )
    return f"{settings.PUBLIC_BASE_URL}/s/{link.slug}"


def follow(slug: str) -> str:
    """Where a short link leads; the click is counted in Redis and written down once a minute."""
    url: str | None = cache.get(f"link:{slug}")
    if url is None:
        url = ShortLink.objects.filter(slug=slug).values_list("url", flat=True).first()
        if url is None:
            raise NotFound("短链不存在")
        cache.set(f"link:{slug}", url, _CACHE_SECONDS)
    _redis().hincrby(_CLICKS, slug, 1)
    return url


def flush_clicks() -> int:
    """Write the counted clicks down; how many."""
    redis, total = _redis(), 0
    for slug, count in redis.hgetall(_CLICKS).items():
        ShortLink.objects.filter(slug=slug).update(click_count=F("click_count") + int(count))
        redis.hincrby(_CLICKS, slug, -int(count))
        total += int(count)
    return total


def _redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=2, decode_responses=True)
