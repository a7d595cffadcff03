"""The outbox: everything robots say or ask of the gateway, written in the transaction that causes it."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from config.platform.wakeups import notify
from integrations.gateway.payloads import MessageType
from robots.models import OutboxMessage, OutboxMessageQuerySet, Robot
from robots.signals import FinishedMessage, message_finished

CHANNEL = "outbox"  # senders listen for it
CHUNK = 2_000  # rows changed in one statement
Content = dict[str, Any]
Operation = OutboxMessage.Operation
Status = OutboxMessage.Status
_NOTHING = Q(pk__in=[])


def notify_senders() -> None:
    """Have senders look at once when this transaction commits; what writes rows calls it."""
    notify(CHANNEL)


def text(words: str) -> Content:
    return {"type": MessageType.TEXT, "content": words}


def image(url: str) -> Content:
    """Return a picture. The original gateway reads its address from `content`, others from `url`: it stands in both."""
    return {"type": MessageType.IMAGE, "content": url, "url": url}


def link(*, title: str, url: str, desc: str = "") -> Content:
    return {"type": MessageType.LINK, "title": title, "url": url, "desc": desc}


def message_user(
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
        notify_senders()


def message_group(
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


def request_gateway(
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
        notify_senders()


def _write(message: OutboxMessage, at: datetime) -> OutboxMessage:
    message.created_at = message.not_before = message.retry_at = at
    with transaction.atomic():
        message.save(force_insert=True)
        notify_senders()
    return message


@dataclass(frozen=True)
class Ending:
    """Something that is over: what fits all that is named here (at least one) is not to be sent, and `reason` says why."""

    reason: str
    group_codes: Collection[str] | None = None
    robot: Robot | None = None
    causes: Collection[str] | None = None

    @property
    def messages(self) -> Q:
        named = Q()
        if self.group_codes is not None:
            named &= Q(group_code__in=self.group_codes)
        if self.robot is not None:
            named &= Q(robot=self.robot)
        if self.causes is not None:
            named &= Q(cause__in=self.causes)
        return named or _NOTHING


def lock_unsent(*, causes: Sequence[str]) -> None:
    """Lock what is unsent for these causes, in the order of ids, as senders do: before each is ended or held."""
    _lock(OutboxMessage.objects.unsent().filter(cause__in=causes))


def pause(*causes: str) -> int:
    """Hold back what is unsent for these causes: it is not sent, and it holds up nothing else in its chats.

    What a sender has just asked of the gateway still ends as the gateway answers.
    """
    return change_all(OutboxMessage.objects.unsent().filter(cause__in=causes, is_held=False), is_held=True)


def resume(*causes: str) -> int:
    """Let what was held back for these causes go on, from where it was."""
    with transaction.atomic():
        count = change_all(OutboxMessage.objects.unsent().filter(cause__in=causes, is_held=True), is_held=False)
        notify_senders()
    return count


def close_waiting(
    *,
    reason: str,
    at: datetime,
    group_codes: Collection[str] | None = None,
    robot: Robot | None = None,
    cause: str | None = None,
) -> int:
    """Close what is unsent for cancelled groups, a banned robot or a cause that ended (`close`)."""
    causes = None if cause is None else [cause]
    return close(Ending(reason, group_codes=group_codes, robot=robot, causes=causes), at=at)


def close(*endings: Ending, at: datetime) -> int:
    """Close what is unsent of all these: what waits, held back or not, and dead letters. How many waited.

    All of them in one call: receivers lock rows of their own, and who then comes back for more of the outbox may wait
    in a circle with a sender.
    """
    named = reduce(or_, (ending.messages for ending in endings), _NOTHING)
    unsent = OutboxMessage.objects.unsent().filter(named)
    return _end(unsent, [(ending.messages, ending.reason) for ending in endings], at)[Status.WAITING]


def close_for_gone_robots(*, at: datetime) -> int:
    """Close what was written for robots after they were banned or removed; how many messages."""
    gone = Robot.objects.filter(
        Exists(OutboxMessage.objects.unsent().filter(robot=OuterRef("pk"))),
        status__in=[Robot.Status.REMOVED, Robot.Status.BANNED],
    )
    return sum(
        close_waiting(robot=robot, reason=f"机器人{robot.get_status_display()}", at=at)
        for robot in gone.order_by("pk")
    )


def close_all(messages: QuerySet[OutboxMessage], *, reason: str, at: datetime) -> int:
    """Close these, whatever they are waiting for; how many."""
    return _end(messages, [(Q(), reason)], at).total()


def change_all(messages: QuerySet[OutboxMessage], **change: Any) -> int:
    """Lock and change all of these in one transaction, some thousand in a statement; how many."""
    with transaction.atomic():
        keys = list(_lock(messages))
        for chunk in _chunks(keys):
            chunk.update(**change)
    return len(keys)


def _end(messages: QuerySet[OutboxMessage], reasons: Iterable[tuple[Q, str]], at: datetime) -> Counter[int]:
    """Close these, each for the first reason that fits, and tell receivers; how many there were in each state.

    Receivers are told when everything is locked: they lock deliveries and launches, as senders do after the outbox.
    """
    with transaction.atomic():
        found = _lock(messages)
        for chunk in _chunks(list(found)):
            for which, reason in reasons:
                chunk.filter(which).exclude(status=Status.CLOSED).update(
                    status=Status.CLOSED,
                    reason=reason[:200],
                    settled_at=at,
                    is_held=False,
                    lease=None,
                    leased_until=None,
                )
        if found:
            message_finished.send(OutboxMessage, messages=_closed(list(found), at), at=at)
    return Counter(found.values())


def _closed(keys: Sequence[int], at: datetime) -> list[FinishedMessage]:
    columns = ("pk", "message_no", "operation", "group_code", "cause", "reason")
    return [
        FinishedMessage(
            pk=pk,
            message_no=str(number),
            operation=operation,
            group_code=group_code,
            cause=cause,
            status=Status.CLOSED.value,
            reason=reason,
            settled_at=at,
        )
        for chunk in _chunks(keys)
        for pk, number, operation, group_code, cause, reason in chunk.values_list(*columns)
    ]


def _lock(messages: QuerySet[OutboxMessage]) -> dict[int, int]:
    """Lock all of these, always in the order of their ids; the state of each."""
    rows = messages.select_for_update(of=("self",)).order_by("pk")
    return dict(rows.values_list("pk", "status"))


def _chunks(keys: Sequence[int]) -> Iterator[OutboxMessageQuerySet]:
    for start in range(0, len(keys), CHUNK):
        yield OutboxMessage.objects.filter(pk__in=keys[start : start + CHUNK])
