"""The content of a launch: what each kind needs, and the messages that robots make of it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integrations.gateway.payloads import MessageType
from launches.models import LaunchItemType
from robots.outbox import writing

Item = Mapping[str, Any]
PARTS = ("type", "title", "content", "filePath", "url")
GROUP_PLACEHOLDER = "{groupId}"  # in a link; becomes the code of the group it is sent to
NEEDED: dict[int, tuple[str, ...]] = {
    LaunchItemType.TEXT: ("content",),
    LaunchItemType.IMAGE: ("filePath",),
    LaunchItemType.LINK: ("title", "url"),
    LaunchItemType.MINI_PROGRAM: ("title", "content", "url"),  # content: the picture on the card
}
ADDRESS_IN: dict[int, str] = {LaunchItemType.IMAGE: "filePath", LaunchItemType.LINK: "url"}  # opened by who gets it
_MESSAGE_OF: dict[int, Callable[[Item], writing.Content]] = {
    LaunchItemType.TEXT: lambda item: writing.text(item["content"]),
    LaunchItemType.IMAGE: lambda item: writing.image(item["filePath"]),
    LaunchItemType.LINK: lambda item: writing.link(
        title=item["title"], url=item["url"], desc=item.get("content") or ""
    ),
    LaunchItemType.MINI_PROGRAM: lambda item: {
        "type": MessageType.MINI_PROGRAM,
        "title": item["title"],
        "content": _card_of(item),
        "url": item["url"],
    },
}


def _card_of(item: Item) -> str:
    """Return a mini program's card (XML), which is in `filePath` where the launch system has one; else the picture."""
    card = item.get("filePath") or ""
    return str(card if card.lstrip().startswith("<") else item["content"])


def missing_part(item: Item) -> str | None:
    """The first part that an item of this type needs and does not have."""
    return next((part for part in NEEDED[item["type"]] if not item.get(part)), None)


def message_content(item: Item) -> writing.Content:
    """What a robot says for this item."""
    return _MESSAGE_OF[item["type"]](item)


def as_received(item: Item) -> dict[str, Any]:
    """An item with all its parts, null where it has none."""
    return {part: item.get(part) or None for part in PARTS}


def fingerprint(items: Sequence[Item], references: Sequence[str]) -> str:
    """The same for the same content and the same groups, in whatever order they are named."""
    told = [[as_received(item) for item in items], sorted(set(references))]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
