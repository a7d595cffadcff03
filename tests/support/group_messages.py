"""Group messages: gateway events, and the replies in the outbox."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from robots.models import OutboxMessage
from tests.support.entry_points import gateway_sends

_numbers = count(1)


def group_message(
    text: Any = "你好", *, group: str = "g1", by: str = "bob", **fields: Any
) -> tuple[str, dict[str, Any]]:
    """Return the event of a member's text in a group, with a new message number."""
    answer = {"group_id": group, "user_id": by, "type": 3, "content": text, "message_no": f"m{next(_numbers)}"}
    return "group_message", answer | fields


def receive_group_message(text: Any = "你好", **fields: Any) -> None:
    gateway_sends(group_message(text, **fields))


def messages_to(group_code: str = "g1") -> list[str]:
    """Return the messages to this group in the outbox, oldest first."""
    return list(_contents(group_code))


def _contents(group_code: str) -> Iterator[str]:
    for row in OutboxMessage.objects.filter(group_code=group_code, operation="send").order_by("id"):
        yield row.content["content"]
