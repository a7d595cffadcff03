"""Short links: the same long address always gets the same short address."""

import hashlib
import re
import secrets
from collections.abc import Callable, Iterable

from django.conf import settings
from django.db.models import F

from config.errors import NotFound
from config.models import ShortLink
from config.platform.cache import cached
from config.platform.counters import Counter
from config.platform.web_addresses import NotAWebAddress, is_own_short_link, web_address

_CACHE_SECONDS = 3600
SECRET_LENGTH = 24  # URL-safe characters of a key; the slugs of other links are shorter
_KEY = "{key}"  # the placeholder of the key in a stored address
_SLUG = re.compile(rf"[\w-]{{1,16}}|[\w-]{{{SECRET_LENGTH}}}", re.ASCII)
_SHORT_ADDRESS = re.compile(rf"/s/([\w-]{{{SECRET_LENGTH}}})(?![\w-])", re.ASCII)
CLICKS = Counter("link-clicks")


class LinkUnknown(NotFound):
    message = "短链不存在"


def shorten(url: str) -> str:
    """Return the short address of an http(s) address, which is stored in the form of `web_address`."""
    url = web_address(url)
    link, _ = ShortLink.objects.get_or_create(
        url_hash=hashlib.sha256(url.encode()).hexdigest(),
        defaults={"url": url, "slug": secrets.token_urlsafe(6)},
    )
    return f"{settings.PUBLIC_BASE_URL}/s/{link.slug}"


def shorten_secret(address_of: Callable[[str], str]) -> tuple[str, str]:
    """Return a new short address and its key, which `address_of` inserts into the long address.

    Everybody who knows the short address can act with the key. Only the hash of the key is stored.
    """
    key = secrets.token_urlsafe(18)
    url = address_of(key).replace(key, _KEY)
    ShortLink.objects.create(url=url, url_hash=hash_of(key), slug=hash_of(key), is_secret=True)
    return f"{settings.PUBLIC_BASE_URL}/s/{key}", key


def hash_of(key: str) -> str:
    """Return the hash of a key that is stored. Keys are 144 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(key.encode()).hexdigest()


def follow(slug: str) -> tuple[str, bool]:
    """Return the address of a short link, and whether it carries a key. Raises LinkUnknown (1404).

    Clicks are counted in Redis and stored once a minute.
    """
    if not _SLUG.fullmatch(slug):
        raise LinkUnknown
    if len(slug) == SECRET_LENGTH:
        secret = ShortLink.objects.filter(slug=hash_of(slug), is_secret=True).first()
        if secret is not None:
            CLICKS.add(secret.slug)
            return secret.url.replace(_KEY, slug), True
    url = cached(f"link:{slug}", _CACHE_SECONDS, lambda: _address_of(slug))
    CLICKS.add(slug)
    return url, False


def without_secret_links(text: str) -> str:
    """Return the text with its secret short links made unusable, for people who must not open them."""
    for slug in _SHORT_ADDRESS.findall(text):
        if ShortLink.objects.filter(slug=hash_of(slug), is_secret=True).exists():
            text = text.replace(f"/s/{slug}", "/s/…")
    return text


def delete_secret(hashes: Iterable[str]) -> None:
    """Delete the short links that carry the keys with these hashes."""
    ShortLink.objects.filter(slug__in=list(hashes), is_secret=True).delete()


def _address_of(slug: str) -> str:
    url = ShortLink.objects.filter(slug=slug).values_list("url", flat=True).first()
    if url is None:
        raise LinkUnknown
    try:
        address = web_address(url)  # older links were stored without this check
    except NotAWebAddress as error:
        raise LinkUnknown from error
    if is_own_short_link(address):
        raise LinkUnknown
    return address


def store_clicks() -> int:
    """Store the counted clicks. Returns their number."""
    total = 0
    for slug, count in CLICKS.take():
        ShortLink.objects.filter(slug=slug).update(click_count=F("click_count") + count)
        total += count
    return total
