"""Items of a launch: the parts that each type needs, and the content of the messages that robots send."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from integrations.gateway.payloads import MessageType
from launches.models import LaunchItemType
from robots.outbox import writing

Item = Mapping[str, Any]
PARTS = ("type", "title", "content", "filePath", "url")
GROUP_PLACEHOLDER = "{groupId}"  # in a link; replaced by the code of the group
NEEDED: dict[int, tuple[str, ...]] = {
    LaunchItemType.TEXT: ("content",),
    LaunchItemType.IMAGE: ("filePath",),
    LaunchItemType.LINK: ("title", "url"),
    LaunchItemType.MINI_PROGRAM: ("title", "content", "url"),  # content: the picture on the card
}
ADDRESS_IN: dict[int, str] = {
    LaunchItemType.IMAGE: "filePath",
    LaunchItemType.LINK: "url",
}  # addresses that the members open
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
    """Return the first part that an item of this type needs and lacks, or None."""
    return next((part for part in NEEDED[item["type"]] if not item.get(part)), None)


def message_content(item: Item) -> writing.Content:
    """Return the content of the message that robots send for this item."""
    return _MESSAGE_OF[item["type"]](item)


def as_received(item: Item) -> dict[str, Any]:
    """Return the item with all its parts, None for those that it lacks."""
    return {part: item.get(part) or None for part in PARTS}


def fingerprint(items: Sequence[Item], references: Sequence[str]) -> str:
    """Return a hash of the content and the groups, which does not depend on the order of the groups."""
    identity = [[as_received(item) for item in items], sorted(set(references))]
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
