"""The outbox: everything robots say or ask of the gateway, written in the transaction that causes it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from config.waking import wake
from robots.models import MessageType, OutboxMessage, Robot
from robots.signals import message_settled

SEND_OUTBOX = "robots.tasks.send_outbox"
Content = dict[str, Any]
Operation = OutboxMessage.Operation


def text(words: str) -> Content:
    return {"type": MessageType.TEXT, "content": words}


def image(url: str) -> Content:
    return {"type": MessageType.IMAGE, "url": url}


def link(*, title: str, url: str, desc: str = "") -> Content:
    return {"type": MessageType.LINK, "title": title, "url": url, "desc": desc}


def tell_user(
    *,
    robot: Robot,
    user_code: str,
    content: Content,
    cause: str,
    at: datetime,
    not_before: datetime | None = None,
    dedupe_key: str | None = None,
) -> None:
    """Have the robot say something to a friend. `dedupe_key`: said once for ever, whoever asks again."""
    message = private_message(
        robot=robot, user_code=user_code, content=content, cause=cause, at=at, not_before=not_before
    )
    message.dedupe_key = dedupe_key
    with transaction.atomic():
        OutboxMessage.objects.bulk_create([message], ignore_conflicts=dedupe_key is not None)
        wake(SEND_OUTBOX)


def say_in_group(
    *,
    robot: Robot,
    group_code: str,
    content: Content,
    cause: str,
    at: datetime,
    mentions: Sequence[str] = (),
) -> OutboxMessage:
    """Have the robot say something in a group, addressed to `mentions` (codes of members) if any."""
    message = OutboxMessage(
        robot=robot,
        group_code=group_code,
        chat=f"g:{group_code}",
        content=content,
        mentions=list(mentions),
        cause=cause,
    )
    return _write(message, at)


def ask_gateway(
    operation: Operation,
    *,
    robot: Robot,
    group_code: str,
    user_code: str = "",
    content: Mapping[str, Any] | None = None,
    cause: str,
    at: datetime,
) -> OutboxMessage:
    """Have the gateway do something in a group: bind, unbind, tell its members. Keeps the group's order."""
    message = OutboxMessage(
        operation=operation,
        robot=robot,
        group_code=group_code,
        user_code=user_code,
        chat=f"g:{group_code}",
        content=dict(content or {}),
        cause=cause,
    )
    return _write(message, at)


def private_message(
    *,
    robot: Robot,
    user_code: str,
    content: Content,
    cause: str,
    at: datetime,
    not_before: datetime | None = None,
) -> OutboxMessage:
    """A private message not yet in the outbox; `post_all` puts many in at once."""
    due = max(at, not_before or at)
    return OutboxMessage(
        robot=robot,
        user_code=user_code,
        chat=f"p:{robot.code}:{user_code}",
        content=content,
        cause=cause,
        created_at=at,
        not_before=due,
        retry_at=due,
    )


def post_all(messages: Sequence[OutboxMessage]) -> None:
    """Put many messages into the outbox in one statement."""
    with transaction.atomic():
        OutboxMessage.objects.bulk_create(messages)
        wake(SEND_OUTBOX)


def _write(message: OutboxMessage, at: datetime) -> OutboxMessage:
    message.created_at = message.not_before = message.retry_at = at
    with transaction.atomic():
        message.save(force_insert=True)
        wake(SEND_OUTBOX)
    return message


def close_waiting(*, reason: str, at: datetime, group_code: str = "", robot: Robot | None = None) -> int:
    """Close what waits for a cancelled group or a banned robot, with the reason; nothing of it is sent any more."""
    waiting = OutboxMessage.objects.filter(status=OutboxMessage.Status.WAITING)
    if group_code:
        waiting = waiting.filter(group_code=group_code)
    if robot is not None:
        waiting = waiting.filter(robot=robot)
    with transaction.atomic():
        messages = list(waiting.select_for_update().order_by("pk"))
        for message in messages:
            message.status, message.reason, message.settled_at = OutboxMessage.Status.CLOSED, reason[:200], at
            message.lease = message.leased_until = None
        OutboxMessage.objects.filter(pk__in=[message.pk for message in messages]).update(
            status=OutboxMessage.Status.CLOSED,
            reason=reason[:200],
            settled_at=at,
            lease=None,
            leased_until=None,
        )
        if messages:
            message_settled.send(OutboxMessage, messages=messages, at=at)
    return len(messages)
