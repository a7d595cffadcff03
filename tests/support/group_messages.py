"""Talk in groups as the gateway tells it."""

from collections.abc import Iterator
from itertools import count
from typing import Any

from robots.models import OutboxMessage
from tests.support.entry_points import gateway_sends

_numbers = count(1)


def group_message(
    words: Any = "你好", *, group: str = "g1", by: str = "bob", **fields: Any
) -> tuple[str, dict[str, Any]]:
    """A person's text in a group, each with a number of its own."""
    answer = {"group_id": group, "user_id": by, "type": 3, "content": words, "message_no": f"m{next(_numbers)}"}
    return "group_message", answer | fields


def receive_group_message(words: Any = "你好", **fields: Any) -> None:
    gateway_sends(group_message(words, **fields))


def messages_to(group_code: str = "g1") -> list[str]:
    """What the outbox holds for this group, oldest first."""
    return list(_spoken(group_code))


def _spoken(group_code: str) -> Iterator[str]:
    for row in OutboxMessage.objects.filter(group_code=group_code, operation="send").order_by("id"):
        yield row.content["content"]
