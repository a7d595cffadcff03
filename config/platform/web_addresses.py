"""Web addresses from users and outside systems: their validation and their form in HTTP headers."""

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from django.conf import settings
from django.utils.encoding import iri_to_uri, punycode

LONGEST = 2048
# Browsers read a backslash as a slash and drop tabs and line ends, so they may open another host than the one parsed here.
_UNSAFE = re.compile(r"[\\\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


class NotAWebAddress(ValueError):
    """An invalid web address. The message explains the problem in Chinese."""


def web_address(text: str) -> str:
    """Return an http(s) address in the form for HTTP headers: the host in punycode, the rest percent-encoded.

    Raises NotAWebAddress.
    """
    if _UNSAFE.search(text):
        raise NotAWebAddress("链接不能含空格、反斜杠或控制字符")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        name = f"[{host}]" if ":" in host else punycode(host)
    except ValueError as error:  # an invalid port or host
        raise NotAWebAddress("链接不正确，请检查") from error
    if parts.scheme not in ("http", "https") or not name:
        raise NotAWebAddress("应为 http 或 https 链接")
    if "@" in parts.netloc:
        raise NotAWebAddress("链接不能含用户名或密码")
    place = name if port is None else f"{name}:{port}"
    rest = urlunsplit(("", "", parts.path, parts.query, parts.fragment))
    address = f"{parts.scheme}://{place}{iri_to_uri(rest)}"
    if len(address) > LONGEST:
        raise NotAWebAddress(f"链接编码后不能超过 {LONGEST} 个字符")
    return address


def address_problem(text: str) -> str:
    """Return the problem of an address in Chinese; an empty text for a valid web address."""
    try:
        web_address(text)
    except NotAWebAddress as error:
        return str(error)
    return ""


def is_own_short_link(address: str) -> bool:
    """Return whether this address, a result of `web_address`, is one of our short links."""
    own, parts = urlsplit(settings.PUBLIC_BASE_URL), urlsplit(address)
    is_ours = (parts.hostname or "").rstrip(".") == (own.hostname or "").rstrip(".")
    path = re.sub("/+", "/", unquote(parts.path))
    return is_ours and path.startswith(f"{own.path}/s/")
