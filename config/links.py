"""Short links: the same long address always gets the same short one."""

import hashlib
import re
import secrets

from django.conf import settings
from django.db.models import F

from config.addresses import NotAWebAddress, is_own_short_link, web_address
from config.caching import cached
from config.counters import Counter
from config.errors import NotFound
from config.models import ShortLink

_CACHE_SECONDS = 3600
_SLUG = re.compile(r"[\w-]{1,16}", re.ASCII)
_SHORT_ADDRESS = re.compile(r"/s/([\w-]{1,16})", re.ASCII)
CLICKS = Counter("link-clicks")


class LinkUnknown(NotFound):
    message = "短链不存在"


def shorten(url: str, *, is_secret: bool = False) -> str:
    """Return the short address of an http(s) address, which is kept as `web_address` writes it.

    `is_secret`: whoever has the address may act with it, so operators do not see the link.
    """
    url = web_address(url)
    link, _ = ShortLink.objects.get_or_create(
        url_hash=hashlib.sha256(url.encode()).hexdigest(),
        defaults={"url": url, "slug": secrets.token_urlsafe(12 if is_secret else 6), "is_secret": is_secret},
    )
    return f"{settings.PUBLIC_BASE_URL}/s/{link.slug}"


def follow(slug: str) -> str:
    """Where a short link leads; the click is counted in Redis and written down once a minute."""
    if not _SLUG.fullmatch(slug):
        raise LinkUnknown
    url = cached(f"link:{slug}", _CACHE_SECONDS, lambda: _address_of(slug))
    CLICKS.add(slug)
    return url


def without_secret_links(text: str) -> str:
    """Return the text with the secret short links in it made unusable, for people who must not open them."""
    secret = ShortLink.objects.filter(slug__in=_SHORT_ADDRESS.findall(text), is_secret=True)
    for slug in secret.values_list("slug", flat=True):
        text = text.replace(f"/s/{slug}", "/s/…")
    return text


def _address_of(slug: str) -> str:
    url = ShortLink.objects.filter(slug=slug).values_list("url", flat=True).first()
    if url is None:
        raise LinkUnknown
    try:
        address = web_address(url)  # links made before were kept as they came
    except NotAWebAddress as error:
        raise LinkUnknown from error
    if is_own_short_link(address):
        raise LinkUnknown
    return address


def flush_clicks() -> int:
    """Write the counted clicks down; how many."""
    total = 0
    for slug, count in CLICKS.take():
        ShortLink.objects.filter(slug=slug).update(click_count=F("click_count") + count)
        total += count
    return total
