"""Addresses of the web that people and systems hand us: which of them are taken, and how they are written on the wire."""

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from django.conf import settings
from django.utils.encoding import iri_to_uri, punycode

LONGEST = 2048
# Browsers read a backslash as a slash and drop tabs and line ends, so that they may go elsewhere than the host that is read here.
_UNSAFE = re.compile(r"[\\\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


class NotAWebAddress(ValueError):
    """The message says in Chinese what is wrong."""


def web_address(text: str) -> str:
    """Return an http(s) address as HTTP headers carry it: the host in punycode, the rest percent-encoded.

    Raises NotAWebAddress.
    """
    if _UNSAFE.search(text):
        raise NotAWebAddress("链接不能含空格、反斜杠或控制字符")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
        name = f"[{host}]" if ":" in host else punycode(host)
    except ValueError as error:  # a port or a host that is none
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


def problem_of(text: str) -> str:
    """Return in Chinese what is wrong with an address that a robot is to send; nothing when it is one of the web."""
    try:
        web_address(text)
    except NotAWebAddress as error:
        return str(error)
    return ""


def is_own_short_link(address: str) -> bool:
    """Return whether this address, of `web_address`, is a short link of ours."""
    own, asked = urlsplit(settings.PUBLIC_BASE_URL), urlsplit(address)
    is_ours = (asked.hostname or "").rstrip(".") == (own.hostname or "").rstrip(".")
    path = re.sub("/+", "/", unquote(asked.path))
    return is_ours and path.startswith(f"{own.path}/s/")
