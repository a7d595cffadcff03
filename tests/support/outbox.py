"""Messages of robots: written like the product, sent, refused and due again."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from robots.models import OutboxMessage, Robot, Source, SourceType
from robots.outbox import writing
from tests.support.entry_points import send_due_messages
from tests.support.outside_system import set_fault


def source_of(name: str) -> Source:
    """Return a source for messages of tests: a problem report of that id, which no receiver looks for."""
    return Source(SourceType.PROBLEM, name)


def write_message(
    robot: Robot, content: str, group: str = "g1", at: datetime | None = None, source: Source | None = None
) -> OutboxMessage:
    return writing.message_group(
        robot=robot,
        group_code=group,
        content=writing.text(content),
        source=source or source_of("test"),
        at=at or timezone.now(),
    )


def sent_contents(sandbox) -> list[str]:
    """Return the contents of the messages that reached the gateway."""
    return [message["content"] for message in sandbox.state.messages.values()]


def clear_faults(sandbox) -> None:
    sandbox.state.faults.clear()


def make_messages_due() -> None:
    """Have waiting messages be due now, whatever their lease."""
    OutboxMessage.objects.filter(status=OutboxMessage.Status.WAITING).update(
        next_attempt_at=timezone.now(), leased_until=None, lease=None
    )


def refuse_messages(sandbox: Any) -> None:
    """Have the gateway refuse five attempts, which fails the waiting messages."""
    set_fault(sandbox, "gateway")
    for _ in range(5):
        OutboxMessage.objects.waiting().update(next_attempt_at=timezone.now())
        send_due_messages()


def fail_messages(sandbox: Any) -> None:
    """Have the gateway refuse the waiting messages until they fail, and then work again."""
    refuse_messages(sandbox)
    set_fault(sandbox, "gateway", "ok")
