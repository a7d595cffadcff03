"""The readers of values that the gateway sends: of fields of events and of its answers.

The strict readers (`text_field`, `moment_in`, `count_in`) raise BadEvent. The lenient ones return the type that the wire
promises, whatever the gateway sent.

A picture's address stands in `content` or in `url`, depending on the gateway's version. `parts_of` copies it to both, so
other code reads either. (`robots.outbox.writing.image` fills both for the messages that robots send.)
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from config.errors import BadRequest
from config.platform.characters import in_one_line

_MAX_LENGTHS = {"content": 10_000, "title": 500, "desc": 2_000, "url": 2_048}  # far above WeChat's own limits
_MAX_NUMBER = 2**31 - 1
MAX_CODE_LENGTH, MAX_ADDRESS_LENGTH = 128, 1024
MAX_COUNT = 100_000  # people in a group
WECHAT_SINCE = 2011  # the year of WeChat's release: no event is older
# Django's parser also accepts weeks, days of the year, and days without a time.
_TIME_FORMAT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}", re.ASCII)


class BadEvent(BadRequest):
    """The body of an event lacks a field of its command, or has a field of the wrong type."""


class MessageType(models.IntegerChoices):
    """The types of chat messages, by the gateway's numbers."""

    TEXT = 3, _("文本")
    LINK = 6, _("链接")
    IMAGE = 8, _("图片")
    MINI_PROGRAM = 11, _("小程序")
    CARD = 12, _("名片")


class MessageParts(TypedDict):
    """The parts of a chat message."""

    type: int | None  # of MessageType, or another number of the gateway
    content: str | None  # a text, the address of a picture, or the XML of a mini program or card
    title: str | None
    desc: str | None
    url: str | None
    voice_time: int | None  # seconds


def summary_of(content: Mapping[str, Any]) -> str:
    """Return the text of a message, or the kind and title of a picture, link, mini program or card."""
    kind: Any = content.get("type")
    if kind in MessageType and kind != MessageType.TEXT:
        return f"[{MessageType(kind).label}] {content.get('title') or ''}".strip()
    return str(content.get("content") or "")


def text_field(payload: Mapping[str, Any], name: str, *, required: bool = True, max_length: int = 128) -> str:
    """Return a text; a number becomes its digits. Raises BadEvent."""
    value = payload.get(name)
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, int | None):
            raise BadEvent("应为文字", field=name)
        value = "" if value is None else str(value)
    text = value.strip()
    if len(text) > max_length:
        raise BadEvent(f"不能超过 {max_length} 个字符", field=name)
    if required and not text:
        raise BadEvent("缺少必填项", field=name)
    return text


def moment_in(payload: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time, which is Shanghai's unless it states its zone, or None without one. Raises BadEvent."""
    text = text_field(payload, name, required=False)
    if not text:
        return None
    try:
        parsed = parse_datetime(text) if _TIME_FORMAT.match(text) else None
    except ValueError:
        parsed = None
    if parsed is None or parsed.year < WECHAT_SINCE:
        raise BadEvent("时间格式应为 YYYY-MM-DD HH:MM:SS", field=name)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.get_default_timezone())


def written_moment(moment: datetime) -> str:
    """Return a time as the gateway writes it."""
    return timezone.localtime(moment, timezone.get_default_timezone()).strftime("%Y-%m-%d %H:%M:%S")


def count_in(payload: Mapping[str, Any], name: str) -> int | None:
    """Return a number of people, or None without one. Raises BadEvent."""
    value = payload.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT):
        raise BadEvent("应为人数", field=name)
    return value


def parts_of(body: Mapping[str, Any]) -> MessageParts:
    """Return `type` and `voice_time` as whole numbers, the other parts as text, and None for values of another type."""
    message_type = _number(body.get("type"))
    content, title, desc, url = (_text(body.get(name), length) for name, length in _MAX_LENGTHS.items())
    if message_type == MessageType.IMAGE:
        content = url = picture_address(content, url)
    voice_time = _number(body.get("voice_time"))
    return {
        "type": message_type,
        "content": content,
        "title": title,
        "desc": desc,
        "url": url,
        "voice_time": voice_time,
    }


def picture_address(content: str | None, url: str | None) -> str | None:
    """Return the address of a picture from its `content` or `url`. An http(s) address is preferred."""
    filled = [value for value in (content, url) if value and value.strip()]
    default = filled[0] if filled else content
    return next((value for value in filled if value.lower().startswith(("http://", "https://"))), default)


def text_of(parts: MessageParts) -> str:
    """Return the text of a text message, an empty string for a message of another type."""
    return parts["content"] or "" if parts["type"] == MessageType.TEXT else ""


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
