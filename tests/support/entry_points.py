"""The product's other doors, as tests use them."""

from itertools import count
from typing import Any

from django.utils import timezone

from config.api.keys import issue_key
from config.models import Scope
from integrations.tasks import handle_events
from robots.models import OutboxMessage
from robots.outbox import sender
from tests.support.client import ApiClient

_numbers = count(1)


def key_with(*scopes: str) -> ApiClient:
    """An outside system whose key has these scopes; all of them when none is named."""
    return ApiClient(
        key=issue_key(f"test-{next(_numbers)}", list(scopes) or list(Scope.values), confirmed_at=timezone.now())
    )


def gateway_sends(*events: tuple[str, Any]) -> None:
    """The gateway posts these events, and the worker handles them."""
    batch = [{"event_id": f"e-{next(_numbers)}", "command": command, "body": body} for command, body in events]
    assert key_with(Scope.GATEWAY_EVENTS).post("/gateway/events", batch)["code"] == 1200
    handle_events()


def send_due_messages() -> int:
    """A sender does what is due; how many tries that took."""
    return sender.drain()


def private_messages_to(user_code: str) -> list[str]:
    """What the outbox holds for this user, oldest first."""
    rows = OutboxMessage.objects.filter(user_code=user_code, operation="send").order_by("id")
    return [row.content.get("content") or row.content.get("url") for row in rows]


def gateway_operations(group_code: str) -> list[str]:
    """Which operations the outbox holds for this group, oldest first."""
    return list(
        OutboxMessage.objects.filter(group_code=group_code).order_by("id").values_list("operation", flat=True)
    )
