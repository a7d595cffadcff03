"""Writing, pausing and closing of messages: everything that robots send or that the gateway is asked to do.

Messages are written in the transaction that causes them.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, ParamSpec
from uuid import UUID

import orjson
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from config.platform.prepared import PreparedSql
from config.platform.wakeups import notify
from integrations.gateway.payloads import MessageType
from robots.models import OutboxMessage, OutboxMessageQuerySet, Robot, Source, SourceType, written_for
from robots.signals import FinishedMessage, message_finished

CHANNEL = "outbox"  # the pub/sub channel that senders listen to
CHUNK = 2_000  # rows changed in one statement
Content = dict[str, Any]
Operation = OutboxMessage.Operation
Status = OutboxMessage.Status
_NOTHING = Q(pk__in=[])
Params = ParamSpec("Params")

# The columns that a new message sets. An INSERT by the ORM would compile each value of each row.
_COLUMNS = {
    "message_no": "uuid",
    "operation": "text",
    "robot_id": "uuid",
    "group_code": "text",
    "user_code": "text",
    "ordering_key": "text",
    "mentions": "jsonb",
    "content": "jsonb",
    "source_type": "text",
    "source_id": "text",
    "idempotency_key": "text",
    "created_at": "timestamptz",
    "not_before": "timestamptz",
    "next_attempt_at": "timestamptz",
}
_WRITE = PreparedSql(
    f"""
INSERT INTO robots_outboxmessage ({", ".join(_COLUMNS)})
SELECT {", ".join(_COLUMNS)}
FROM ROWS FROM (jsonb_to_recordset(%(messages)s::jsonb) AS ({", ".join(map(" ".join, _COLUMNS.items()))}))
    WITH ORDINALITY AS m({", ".join(_COLUMNS)}, place)
ORDER BY place
ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING message_no, id
""",  # noqa: S608 - our own SQL
    messages=str,
)


def notify_senders() -> None:
    """Notify the senders of new messages when this transaction commits."""
    notify(CHANNEL)


def text(content: str) -> Content:
    return {"type": MessageType.TEXT, "content": content}


def image(url: str) -> Content:
    """Return a picture. The original gateway reads the address from `content`, other versions from `url`."""
    return {"type": MessageType.IMAGE, "content": url, "url": url}


def link(*, title: str, url: str, desc: str = "") -> Content:
    return {"type": MessageType.LINK, "title": title, "url": url, "desc": desc}


def group_message(
    *,
    robot: Robot,
    group_code: str,
    content: Content,
    source: Source,
    at: datetime,
    mentions: Sequence[str] = (),
) -> OutboxMessage:
    """Return an unsaved message to a group, which mentions the members with the codes `mentions`."""
    return _message(
        f"g:{group_code}",
        robot=robot,
        group_code=group_code,
        content=content,
        mentions=list(mentions),
        source=source,
        at=at,
    )


def private_message(
    *,
    robot: Robot,
    user_code: str,
    content: Content,
    source: Source,
    at: datetime,
    not_before: datetime | None = None,
    idempotency_key: str | None = None,
) -> OutboxMessage:
    """Return an unsaved message to a friend of the robot. A second one with the same `idempotency_key` is never written."""
    return _message(
        f"p:{robot.code}:{user_code}",
        robot=robot,
        user_code=user_code,
        content=content,
        source=source,
        at=at,
        not_before=not_before,
        idempotency_key=idempotency_key,
    )


def request(
    operation: Operation,
    *,
    robot: Robot,
    group_code: str,
    user_code: str = "",
    content: Mapping[str, Any] | None = None,
    source: Source,
    at: datetime,
) -> OutboxMessage:
    """Return an unsaved request to the gateway about a group.

    It is done in the order of the group's messages. Only a recall waits for no other message: the message that it recalls
    has been sent, and WeChat allows two minutes.
    """
    parameters = dict(content or {})
    return _message(
        f"r:{parameters['message_no']}" if operation == Operation.RECALL else f"g:{group_code}",
        operation=operation,
        robot=robot,
        group_code=group_code,
        user_code=user_code,
        content=parameters,
        source=source,
        at=at,
    )


def _message(
    ordering_key: str, *, source: Source, at: datetime, not_before: datetime | None = None, **fields: Any
) -> OutboxMessage:
    due = max(at, not_before or at)
    defaults: dict[str, Any] = {
        "operation": Operation.SEND,
        "group_code": "",
        "user_code": "",
        "mentions": [],
        "idempotency_key": None,
    }
    return OutboxMessage(
        ordering_key=ordering_key,
        source_type=source.type,
        source_id=source.id,
        created_at=at,
        not_before=due,
        next_attempt_at=due,
        **defaults | fields,
    )


def post_all(messages: Sequence[OutboxMessage]) -> None:
    """Write many messages in one statement and give them their ids, except those whose idempotency key was used before."""
    if not messages:
        return
    rows = [{name: getattr(message, name) for name in _COLUMNS} for message in messages]
    with transaction.atomic():
        ids: dict[UUID, int] = dict(_WRITE.rows(messages=orjson.dumps(rows).decode()))
        notify_senders()
    for message in messages:
        message.pk = ids.get(message.message_no)


def _posted(build: Callable[Params, OutboxMessage]) -> Callable[Params, OutboxMessage]:
    """Return a function that takes the same arguments, builds the message and writes it."""

    def post(*args: Params.args, **kwargs: Params.kwargs) -> OutboxMessage:
        message = build(*args, **kwargs)
        post_all([message])
        return message

    return post


message_group = _posted(group_message)
message_user = _posted(private_message)
request_gateway = _posted(request)


@dataclass(frozen=True)
class Closing:
    """A set of messages to close, and the reason. The set is the messages that meet every condition; no condition, none."""

    reason: str
    group_codes: Collection[str] | None = None
    robot: Robot | None = None
    sources: Collection[Source] | None = None
    source_type: SourceType | None = None

    @property
    def messages(self) -> Q:
        conditions = Q()
        if self.group_codes is not None:
            conditions &= Q(group_code__in=self.group_codes)
        if self.robot is not None:
            conditions &= Q(robot=self.robot)
        if self.sources is not None:
            conditions &= written_for(self.sources)
        if self.source_type is not None:
            conditions &= Q(source_type=self.source_type)
        return conditions or _NOTHING


def lock_unsent(sources: Iterable[Source]) -> None:
    """Lock the unsent messages of these sources in the order of ids, as senders do, before some are closed or paused."""
    _lock(OutboxMessage.objects.unsent().filter(written_for(sources)))


def pause_messages(source: Source) -> int:
    """Pause the unsent messages of this source. Paused messages do not delay others of their ordering keys. Returns how many.

    A message that a sender has submitted already still gets the status that follows from the gateway's answer.
    """
    return change_all(OutboxMessage.objects.unsent().of_source(source).filter(is_held=False), is_held=True)


def resume_messages(source: Source) -> int:
    """Resume the paused messages of this source. Returns how many there were."""
    with transaction.atomic():
        count = change_all(OutboxMessage.objects.unsent().of_source(source).filter(is_held=True), is_held=False)
        notify_senders()
    return count


def close_waiting(
    *,
    reason: str,
    at: datetime,
    group_codes: Collection[str] | None = None,
    robot: Robot | None = None,
    source: Source | None = None,
) -> int:
    """Close the unsent messages of cancelled groups, a banned robot or a source, as `close` does."""
    sources = None if source is None else [source]
    return close_messages(Closing(reason, group_codes=group_codes, robot=robot, sources=sources), at=at)


def close_messages(*closings: Closing, at: datetime) -> int:
    """Close the waiting, paused and failed messages of all these sets. Returns how many were waiting.

    One call closes all sets: the receivers of `message_finished` lock rows of their own, and a transaction that locked
    outbox rows again after that could deadlock with a sender.
    """
    conditions = reduce(or_, (closing.messages for closing in closings), _NOTHING)
    unsent = OutboxMessage.objects.unsent().filter(conditions)
    return _close(unsent, [(closing.messages, closing.reason) for closing in closings], at)[Status.WAITING]


def close_messages_of_gone_robots(*, at: datetime) -> int:
    """Close the messages that were written for banned or removed robots. Returns how many were waiting."""
    gone = Robot.objects.filter(
        Exists(OutboxMessage.objects.unsent().filter(robot=OuterRef("pk"))),
        status__in=[Robot.Status.REMOVED, Robot.Status.BANNED],
    )
    return sum(
        close_waiting(robot=robot, reason=f"机器人{robot.get_status_display()}", at=at)
        for robot in gone.order_by("pk")
    )


def close_all(messages: QuerySet[OutboxMessage], *, reason: str, at: datetime) -> int:
    """Close these messages, whatever their status. Returns how many there were."""
    return _close(messages, [(Q(), reason)], at).total()


def change_all(messages: QuerySet[OutboxMessage], **change: Any) -> int:
    """Lock and change these messages in one transaction, CHUNK in a statement. Returns how many there were."""
    with transaction.atomic():
        keys = list(_lock(messages))
        for chunk in _chunks(keys):
            chunk.update(**change)
    return len(keys)


def _close(messages: QuerySet[OutboxMessage], reasons: Iterable[tuple[Q, str]], at: datetime) -> Counter[int]:
    """Close these messages, each for the first reason that fits. Returns how many there were in each status before.

    `message_finished` is sent when all messages are locked: its receivers lock deliveries and launches, which senders
    lock after the outbox too.
    """
    with transaction.atomic():
        found = _lock(messages)
        for chunk in _chunks(list(found)):
            for condition, reason in reasons:
                chunk.filter(condition).exclude(status=Status.CLOSED).update(
                    status=Status.CLOSED,
                    last_error=reason[:200],
                    finished_at=at,
                    is_held=False,
                    lease=None,
                    leased_until=None,
                )
        if found:
            message_finished.send(OutboxMessage, messages=_closed_messages(list(found), at), at=at)
    return Counter(found.values())


def _closed_messages(keys: Sequence[int], at: datetime) -> list[FinishedMessage]:
    columns = ("pk", "message_no", "operation", "group_code", "source_type", "source_id", "last_error")
    return [
        FinishedMessage(
            pk=pk,
            message_no=str(number),
            operation=operation,
            group_code=group_code,
            source_type=source_type,
            source_id=source_id,
            status=Status.CLOSED.value,
            last_error=last_error,
            finished_at=at,
        )
        for chunk in _chunks(keys)
        for pk, number, operation, group_code, source_type, source_id, last_error in chunk.values_list(*columns)
    ]


def _lock(messages: QuerySet[OutboxMessage]) -> dict[int, int]:
    """Lock these messages in the order of their ids, as all code does. Returns the status of each by its id."""
    rows = messages.select_for_update(of=("self",)).order_by("pk")
    return dict(rows.values_list("pk", "status"))


def _chunks(keys: Sequence[int]) -> Iterator[OutboxMessageQuerySet]:
    for start in range(0, len(keys), CHUNK):
        yield OutboxMessage.objects.filter(pk__in=keys[start : start + CHUNK])
