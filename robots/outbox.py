"""The outbox: everything robots say or ask of the gateway, written in the transaction that causes it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from config.waking import ring
from robots.models import MessageType, OutboxMessage, OutboxMessageQuerySet, Robot
from robots.signals import SettledMessage, message_settled

BELL = "outbox"  # senders listen for it
CHUNK = 2_000  # rows changed in one statement
Content = dict[str, Any]
Operation = OutboxMessage.Operation


def wake_senders() -> None:
    """Have senders look at once when this transaction commits; what writes rows calls it."""
    ring(BELL)


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
        wake_senders()


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
    message = group_message(
        robot=robot, group_code=group_code, content=content, cause=cause, at=at, mentions=mentions
    )
    return _write(message, at)


def group_message(
    *,
    robot: Robot,
    group_code: str,
    content: Content,
    cause: str,
    at: datetime,
    mentions: Sequence[str] = (),
) -> OutboxMessage:
    """Something to say in a group, not yet in the outbox; `post_all` puts many in at once."""
    return OutboxMessage(
        robot=robot,
        group_code=group_code,
        chat=f"g:{group_code}",
        content=content,
        mentions=list(mentions),
        cause=cause,
        created_at=at,
        not_before=at,
        retry_at=at,
    )


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
    """Have the gateway do something in a group, as `request` says."""
    asked = request(
        operation,
        robot=robot,
        group_code=group_code,
        user_code=user_code,
        content=content,
        cause=cause,
        at=at,
    )
    return _write(asked, at)


def request(
    operation: Operation,
    *,
    robot: Robot,
    group_code: str,
    user_code: str = "",
    content: Mapping[str, Any] | None = None,
    cause: str,
    at: datetime,
) -> OutboxMessage:
    """Something for the gateway to do in a group, not yet in the outbox; `post_all` puts many in at once.

    It keeps the group's order. Only recalling waits for nothing: what it takes back has been said, and WeChat allows
    two minutes.
    """
    words = dict(content or {})
    is_recall = operation == Operation.RECALL
    return OutboxMessage(
        operation=operation,
        robot=robot,
        group_code=group_code,
        user_code=user_code,
        chat=f"r:{words['message_no']}" if is_recall else f"g:{group_code}",
        content=words,
        cause=cause,
        created_at=at,
        not_before=at,
        retry_at=at,
    )


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
    if not messages:
        return
    with transaction.atomic():
        OutboxMessage.objects.bulk_create(messages)
        wake_senders()


def _write(message: OutboxMessage, at: datetime) -> OutboxMessage:
    message.created_at = message.not_before = message.retry_at = at
    with transaction.atomic():
        message.save(force_insert=True)
        wake_senders()
    return message


def hold(*, cause: str) -> int:
    """Hold back what waits for this cause: it is not sent, and it holds up nothing else in its chats.

    What a sender has just asked of the gateway still ends as the gateway answers.
    """
    waiting = OutboxMessage.objects.waiting().filter(cause=cause, is_held=False)
    return sum(each_chunk(waiting, lambda chunk: chunk.update(is_held=True)))


def let_go(*, cause: str) -> int:
    """Let what was held back for this cause go on, from where it was."""
    held = OutboxMessage.objects.waiting().filter(cause=cause, is_held=True)
    with transaction.atomic():
        count = sum(each_chunk(held, lambda chunk: chunk.update(is_held=False)))
        wake_senders()
    return count


def close_waiting(
    *, reason: str, at: datetime, group_codes: Sequence[str] = (), robot: Robot | None = None, cause: str = ""
) -> int:
    """Close what waits, held back or not, for cancelled groups, a banned robot or a cause that ended.

    At least one of the three must be named; nothing of it is sent any more, and `reason` says why.
    """
    named = Q()
    if group_codes:
        named &= Q(group_code__in=group_codes)
    if robot is not None:
        named &= Q(robot=robot)
    if cause:
        named &= Q(cause=cause)
    if not named:
        return 0

    waiting = OutboxMessage.objects.waiting().filter(named)
    return sum(each_chunk(waiting, lambda chunk: end(chunk, reason=reason, at=at)))


def close_for_gone_robots(*, at: datetime) -> int:
    """Close what was written for robots after they were banned or removed; how many messages."""
    gone = Robot.objects.filter(
        Exists(OutboxMessage.objects.waiting().filter(robot=OuterRef("pk"))),
        status__in=[Robot.Status.REMOVED, Robot.Status.BANNED],
    )
    return sum(
        close_waiting(robot=robot, reason=f"机器人{robot.get_status_display()}", at=at)
        for robot in gone.order_by("pk")
    )


def end(messages: OutboxMessageQuerySet, *, reason: str, at: datetime) -> int:
    """Close these, whatever they are waiting for, and tell receivers. Call it with the rows locked (`each_chunk`)."""
    count = messages.update(
        status=OutboxMessage.Status.CLOSED,
        reason=reason[:200],
        settled_at=at,
        is_held=False,
        lease=None,
        leased_until=None,
    )
    told = [
        SettledMessage(
            pk=pk,
            message_no=str(number),
            operation=operation,
            group_code=group_code,
            cause=cause,
            status=OutboxMessage.Status.CLOSED.value,
            reason=reason[:200],
            settled_at=at,
        )
        for pk, number, operation, group_code, cause in messages.values_list(
            "pk", "message_no", "operation", "group_code", "cause"
        )
    ]
    message_settled.send(OutboxMessage, messages=told, at=at)
    return count


def each_chunk(messages: QuerySet[OutboxMessage], change: Callable[[OutboxMessageQuerySet], int]) -> list[int]:
    """Lock and change all of these in one transaction, some thousand at a time; `change` takes them out of `messages`.

    Always in the order of their ids, as senders lock them.
    """
    counts = []
    with transaction.atomic():
        while keys := list(
            messages.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True)[:CHUNK]
        ):
            counts.append(change(OutboxMessage.objects.filter(pk__in=keys)))
    return counts
