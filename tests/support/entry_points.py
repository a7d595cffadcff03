"""Helpers for the entry points: service keys, gateway events, senders, and the contents of the outbox."""

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
    """Return an outside system with these scopes, or with all scopes when none is given."""
    return ApiClient(
        key=issue_key(f"test-{next(_numbers)}", list(scopes) or list(Scope.values), confirmed_at=timezone.now())
    )


def gateway_sends(*events: tuple[str, Any]) -> None:
    """Post these events as the gateway and handle them as a worker."""
    batch = [{"event_id": f"e-{next(_numbers)}", "command": command, "body": body} for command, body in events]
    assert key_with(Scope.GATEWAY_EVENTS).post("/gateway/events", batch)["code"] == 1200
    handle_events()


def send_due_messages() -> int:
    """Send all due messages as a sender. Returns the number of attempts."""
    return sender.drain()


def private_messages_to(user_code: str) -> list[str]:
    """Return the private messages to this user in the outbox, oldest first."""
    rows = OutboxMessage.objects.filter(user_code=user_code, operation="send").order_by("id")
    return [row.content.get("content") or row.content.get("url") for row in rows]


def gateway_operations(group_code: str) -> list[str]:
    """Return the operations for this group in the outbox, oldest first."""
    return list(
        OutboxMessage.objects.filter(group_code=group_code).order_by("id").values_list("operation", flat=True)
    )
