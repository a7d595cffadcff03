"""What is heard in chats: the gateway's words on a message, brought to the types that the wire promises.

A picture's address stands in `content` or in `url`, depending on the gateway's version. It is read here, and nowhere
else: from here on it stands in both. (What robots send has it in both by `robots.outbox.writing.image`.)
"""

from collections.abc import Mapping
from typing import Any

from django.db import models

from config.platform.characters import in_one_line

_LONGEST = {"content": 10_000, "title": 500, "desc": 2_000, "url": 2_048}  # far above what WeChat lets through
_LARGEST = 2**31 - 1
LONGEST_CODE, LONGEST_ADDRESS = 128, 1024


class MessageType(models.IntegerChoices):
    """Kinds of chat message, in the gateway's numbers."""

    TEXT = 3, "文本"
    LINK = 6, "链接"
    IMAGE = 8, "图片"
    MINI_PROGRAM = 11, "小程序"
    CARD = 12, "名片"


def parts_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return `type` and `voice_time` as whole numbers, the rest as text; null where the gateway's word is neither."""
    kind = _number(told.get("type"))
    texts = {name: _text(told.get(name), longest) for name, longest in _LONGEST.items()}
    if kind == MessageType.IMAGE:
        texts["content"] = texts["url"] = picture_address(texts["content"], texts["url"])
    return {"type": kind, **texts, "voice_time": _number(told.get("voice_time"))}


def picture_address(content: str | None, url: str | None) -> str | None:
    """Return the address of a picture that has it in `content` or in `url`; an http(s) one where only one is."""
    given = [one for one in (content, url) if one and one.strip()]
    return next(
        (one for one in given if one.lower().startswith(("http://", "https://"))), given[0] if given else content
    )


def text_in(told: Mapping[str, Any]) -> str | None:
    """What was said, if it was said as text."""
    if _number(told.get("type")) != MessageType.TEXT:
        return None
    return _text(told.get("content"), _LONGEST["content"])


def shown(told: Mapping[str, Any], name: str, *, longest: int = 128) -> str:
    """A field that is only shown to people: cut to what is kept, blank where the gateway's word is no text."""
    return in_one_line(_text(told.get(name), longest) or "")


def address_in(told: Mapping[str, Any], name: str) -> str:
    """The address of a picture; one that is longer than what is kept leads nowhere when cut, and is left out."""
    address = shown(told, name, longest=_LONGEST["url"])
    return address if len(address) <= LONGEST_ADDRESS else ""


def code_in(told: Any, name: str) -> str:
    """A code of the gateway's; nothing where its word cannot be one."""
    codes = codes_in([told.get(name)]) if isinstance(told, Mapping) else []
    return codes[0] if codes and len(codes[0]) <= LONGEST_CODE else ""


def is_true(value: Any) -> bool:
    """A claim of the gateway: true, 1 or "1"."""
    return value is True or (isinstance(value, int | str) and str(value) == "1")


def codes_in(value: Any) -> list[str]:
    """The codes in a list of the gateway's; whatever else stands there names nobody."""
    if not isinstance(value, list):
        return []
    return [str(code).strip() for code in value if isinstance(code, str | int) and not isinstance(code, bool)]


def _text(value: Any, longest: int) -> str | None:
    if isinstance(value, str):
        return value[:longest]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value)[:longest]


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 11:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        return None
    return value
