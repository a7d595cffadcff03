"""Lenient readers of an event's body: each returns the type that the wire promises, whatever the gateway sent.

A picture's address stands in `content` or in `url`, depending on the gateway's version. `parts_of` copies it to both, so
other code reads either. (`robots.outbox.writing.image` fills both for the messages that robots send.)
"""

from collections.abc import Mapping
from typing import Any

from django.db import models

from config.platform.characters import in_one_line

_MAX_LENGTHS = {"content": 10_000, "title": 500, "desc": 2_000, "url": 2_048}  # far above WeChat's own limits
_MAX_NUMBER = 2**31 - 1
MAX_CODE_LENGTH, MAX_ADDRESS_LENGTH = 128, 1024


class MessageType(models.IntegerChoices):
    """The types of chat messages, by the gateway's numbers."""

    TEXT = 3, "文本"
    LINK = 6, "链接"
    IMAGE = 8, "图片"
    MINI_PROGRAM = 11, "小程序"
    CARD = 12, "名片"


def parts_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return `type` and `voice_time` as whole numbers, the other parts as text, and None for values of another type."""
    message_type = _number(body.get("type"))
    texts = {name: _text(body.get(name), max_length) for name, max_length in _MAX_LENGTHS.items()}
    if message_type == MessageType.IMAGE:
        texts["content"] = texts["url"] = picture_address(texts["content"], texts["url"])
    return {"type": message_type, **texts, "voice_time": _number(body.get("voice_time"))}


def picture_address(content: str | None, url: str | None) -> str | None:
    """Return the address of a picture from its `content` or `url`. An http(s) address is preferred."""
    filled = [value for value in (content, url) if value and value.strip()]
    default = filled[0] if filled else content
    return next((value for value in filled if value.lower().startswith(("http://", "https://"))), default)


def text_in(body: Mapping[str, Any]) -> str | None:
    """Return the text of a text message, None for a message of another type."""
    if _number(body.get("type")) != MessageType.TEXT:
        return None
    return _text(body.get("content"), _MAX_LENGTHS["content"])


def display_text(body: Mapping[str, Any], name: str, *, max_length: int = 128) -> str:
    """Return a field that is only displayed, cut to `max_length`; an empty string when the value is no text."""
    return in_one_line(_text(body.get(name), max_length) or "")


def address_in(body: Mapping[str, Any], name: str) -> str:
    """Return the address of a picture, an empty string when it is too long to store: a cut address leads nowhere."""
    address = display_text(body, name, max_length=_MAX_LENGTHS["url"])
    return address if len(address) <= MAX_ADDRESS_LENGTH else ""


def code_in(body: Any, name: str) -> str:
    """Return a code of the gateway, an empty string when the value cannot be a code."""
    codes = codes_in([body.get(name)]) if isinstance(body, Mapping) else []
    return codes[0] if codes and len(codes[0]) <= MAX_CODE_LENGTH else ""


def is_true(value: Any) -> bool:
    """Return whether the gateway's value means true: true, 1 or "1"."""
    return value is True or (isinstance(value, int | str) and str(value) == "1")


def codes_in(value: Any) -> list[str]:
    """Return the codes of a list, without the items that cannot be codes."""
    if not isinstance(value, list):
        return []
    return [str(code).strip() for code in value if isinstance(code, str | int) and not isinstance(code, bool)]


def _text(value: Any, max_length: int) -> str | None:
    if isinstance(value, str):
        return value[:max_length]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value)[:max_length]


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 11:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_NUMBER:
        return None
    return value
