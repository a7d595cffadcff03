"""Values as a person reads them: amounts with thousands, pictures, and what is stored as JSON."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from django.db.models import IntegerChoices, Model
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice.texts import Label
from config.platform.dates import shanghai_time

_ADDRESS = re.compile(r"https?://\S+")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")
_XML = re.compile(r"<(\?xml|msg|appmsg)\b")  # of a mini program or card
_PICTURE_SIZE = {"avatar": 48, "code": 160}  # pixels
NAMES: dict[str, Label] = {
    "type": _("类型"),
    "title": _("标题"),
    "content": _("内容"),
    "desc": _("描述"),
    "url": _("链接"),
    "filePath": _("文件"),
    "voice_time": _("语音秒数"),
    "reason": _("原因"),
    "message_no": _("消息编号"),
    "keywords": _("关键字"),
}


def with_thousands(amount: Decimal) -> str:
    """Return an amount in yuan, such as 1,500.00."""
    return f"{amount:,.2f}"


def money_column(name: str, title: Label, *, sign: str = "") -> Callable[[Any], SafeString]:
    """Return a column of a list with the amount `name` of each row, to the right. Exports contain the number.

    With the `sign` "+" amounts above zero have a sign too.
    """

    def column(row: Any) -> SafeString:
        amount = getattr(row, name)
        return format_html('<span class="amount">{}</span>', "-" if amount is None else f"{amount:{sign},.2f}")

    return _named(column, name, title)


def percent_column(name: str, title: Label) -> Callable[[Any], SafeString]:
    """Return a column of a list with the share `name` of each row as a percentage. Exports contain the number."""

    def column(row: Any) -> SafeString:
        return format_html('<span class="amount">{} %</span>', f"{(getattr(row, name) * 100).normalize():f}")

    return _named(column, name, title)


def count_column(name: str, title: Label) -> Callable[[Any], SafeString]:
    """Return a column of a list with the number `name` of each row, to the right. Exports contain the number."""

    def column(row: Any) -> SafeString:
        return format_html('<span class="amount">{}</span>', f"{getattr(row, name):,}")

    return _named(column, name, title)


def _named(column: Callable[[Any], SafeString], name: str, title: Label) -> Callable[[Any], SafeString]:
    made: Any = column
    made.__name__ = name
    made.short_description, made.admin_order_field, made.exported = title, name, attrgetter(name)
    return column


def picture(address: str, *, kind: str, title: Label) -> SafeString:
    """Return the picture at an address, which is also its link, or "-" without one. `kind` is "avatar" or "code"."""
    if not _ADDRESS.fullmatch(address):
        return format_html("{}", address or "-")
    return format_html(
        '<a href="{0}" target="_blank" rel="noopener noreferrer">'
        '<img src="{0}" alt="{1}" width="{2}" height="{2}" loading="lazy" referrerpolicy="no-referrer"></a>',
        address,
        title,
        _PICTURE_SIZE[kind],
    )


def web_link(address: str) -> SafeString:
    return format_html('<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>', address)


def row_link(row: Model, text: Label = "") -> SafeString:
    """Return a link to the page of a row, by its name or this text."""
    page = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return format_html('<a href="{}">{}</a>', reverse(page, args=[row.pk]), text or row)


def shortened(text: str, most: int) -> str:
    """Return the first `most` characters of a text, with an ellipsis where some are left out."""
    return text if len(text) <= most else f"{text[:most]}…"


def raw(text: str) -> SafeString:
    """Return a text for programmers, closed until it is clicked."""
    return format_html(
        '<details class="raw"><summary>{}</summary><pre>{}</pre></details>', gettext("原始数据"), text
    )


def moments_in(text: str) -> str:
    """Return the text with each of its moments in Shanghai time."""
    return _MOMENT.sub(lambda match: shanghai_time(datetime.fromisoformat(match[0])), text)


def shown(value: Any, names: Mapping[str, Label] = NAMES) -> SafeString:
    """Return a value of a JSON column: objects as tables of two columns, lists as lines, addresses as links.

    `names` are the labels of the keys. Empty values are left out.
    """
    if isinstance(value, Mapping):
        pairs = ((names.get(key, key), shown(inner, names)) for key, inner in value.items() if not _is_empty(inner))
        return format_html('<table class="values">{}</table>', _rows(pairs))
    if isinstance(value, list | tuple):
        return format_html_join("", "<div>{}</div>", ((shown(inner, names),) for inner in value)) or _text("-")
    if isinstance(value, bool):
        return _text(gettext("是") if value else gettext("否"))
    text = moments_in("-" if _is_empty(value) else str(value))
    if _XML.match(text):
        return raw(text)
    return web_link(text) if _ADDRESS.fullmatch(text) else _text(text)


def shown_message(content: Any, kinds: type[IntegerChoices]) -> SafeString:
    """Return a message to a chat: the text, or the kind with its title, address and other parts.

    `kinds` are the types of the system that the content is from.
    """
    if not isinstance(content, Mapping):
        return shown(content)
    parts = {key: value for key, value in content.items() if key != "type" and not _is_empty(value)}
    kind: Any = content.get("type")
    if parts.keys() == {"content"} and kind in (None, "", kinds.__members__["TEXT"]):
        return shown(parts["content"])
    if parts.get("content") == parts.get("url"):  # the address of a picture stands in both
        parts.pop("content", None)
    label = {"type": kinds(kind).label} if kind in kinds else {}
    return shown(label | parts, {**NAMES, "url": _("图片")} if kind == kinds.__members__["IMAGE"] else NAMES)


def shown_messages(contents: Iterable[Any], kinds: type[IntegerChoices]) -> SafeString:
    """Return the messages of a list, one after the other."""
    each = ((shown_message(content, kinds),) for content in contents)
    return format_html_join("", '<div class="message">{}</div>', each)


def _rows(pairs: Iterable[tuple[Any, Any]]) -> SafeString:
    return format_html_join("", "<tr><th>{}</th><td>{}</td></tr>", pairs)


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _text(text: str) -> SafeString:
    return format_html('<span class="text">{}</span>', text)
