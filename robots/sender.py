"""Senders: claim what waits in the outbox, have the gateway do it, write down what it said.

A claim is a lease: it commits before the gateway is called, so no lock is held meanwhile and a killed
sender's messages are claimed again when the lease runs out, under the same `message_no`.
"""

import random
import uuid
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from integrations.http import OutcomeUnknown, OutsideError, Refused
from integrations.robot_gateway import RobotGateway
from robots.models import MessageAttempt, OutboxMessage, Robot
from robots.pace import Pace
from robots.signals import message_settled

BATCH = 200
LEASE = timedelta(seconds=90)  # longer than the gateway's timeout, batch by batch
RETRY_AFTER = (30, 120, 450, 1200)  # seconds after the first, second … try: five tries in half an hour
JITTER = 0.2
Outcome = MessageAttempt.Outcome
Status = OutboxMessage.Status

# The first waiting message of each chat that is due: what is due before it in the same chat goes first, what is
# held back (not_before) does not hold up the others. A message in somebody else's hands still waits, so nobody
# overtakes it. Removed and banned robots say nothing.
_CLAIM = """
UPDATE robots_outboxmessage SET lease = %(lease)s, leased_until = %(until)s
WHERE id IN (
    SELECT o.id FROM robots_outboxmessage o JOIN robots_robot r ON r.id = o.robot_id
    WHERE o.status = 0 AND NOT o.is_held AND o.not_before <= %(at)s AND o.retry_at <= %(at)s
      AND (o.leased_until IS NULL OR o.leased_until < %(at)s)
      AND r.status IN (1, 2) AND NOT (r.code = ANY(%(resting)s::text[]) AND o.operation = 'send')
      AND NOT EXISTS (
          SELECT 1 FROM robots_outboxmessage b
          WHERE b.status = 0 AND NOT b.is_held AND b.chat = o.chat AND b.id < o.id AND b.not_before <= %(at)s)
    ORDER BY o.id LIMIT %(batch)s FOR UPDATE OF o SKIP LOCKED
)
"""


@dataclass(frozen=True)
class Attempt:
    """One try, and what came of it."""

    message: OutboxMessage
    outcome: MessageAttempt.Outcome
    answer: str
    at: datetime


def claim(*, at: datetime, resting: Iterable[str] = (), batch: int = BATCH) -> list[OutboxMessage]:
    """Take the next messages in hand, at most one of each chat."""
    lease = uuid.uuid4()
    words: dict[str, Any] = {
        "lease": lease,
        "until": at + LEASE,
        "at": at,
        "resting": list(resting),
        "batch": batch,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, words)
    return list(OutboxMessage.objects.filter(lease=lease).select_related("robot").order_by("pk"))


def perform(message: OutboxMessage, gateway: RobotGateway) -> Attempt:
    """Have the gateway do one thing."""
    try:
        _ask(message, gateway)
    except Refused as error:
        return Attempt(message, Outcome.REFUSED, str(error), timezone.now())
    except OutcomeUnknown as error:
        return Attempt(message, Outcome.UNKNOWN, str(error), timezone.now())
    except OutsideError as error:
        return Attempt(message, Outcome.UNAVAILABLE, str(error), timezone.now())
    return Attempt(message, Outcome.DONE, "", timezone.now())


def _ask(message: OutboxMessage, gateway: RobotGateway) -> None:
    robot, group = message.robot.code, message.group_code
    words = {**message.content, "message_no": str(message.message_no)}
    match message.operation:
        case OutboxMessage.Operation.SEND if group:
            gateway.send_group_message(robot=robot, group=group, users=message.mentions, message=words)
        case OutboxMessage.Operation.SEND:
            gateway.send_private_message(robot=robot, user=message.user_code, message=words)
        case OutboxMessage.Operation.RECALL:
            gateway.recall_message(robot=robot, message_no=str(message.content["message_no"]))
        case OutboxMessage.Operation.BIND_GROUP:
            gateway.bind_group(robot=robot, group=group, user=message.user_code, name=message.content["name"])
        case OutboxMessage.Operation.UNBIND_GROUP:
            gateway.unbind_group(robot=robot, group=group, reason=message.content["reason"])
        case _:
            gateway.sync_group_members(robot=robot, group=group)


def settle(attempts: list[Attempt]) -> None:
    """Write down what came of each try: sent, to be tried again, or parked after the fifth."""
    with transaction.atomic():
        held = {attempt.message.pk: attempt for attempt in attempts}
        rows = OutboxMessage.objects.select_for_update().filter(pk__in=held, status=Status.WAITING).order_by("pk")
        settled = []
        for row in rows:
            attempt = held[row.pk]
            if row.lease != attempt.message.lease and attempt.outcome != Outcome.DONE:
                continue  # somebody else has it in hand by now
            _apply(row, attempt)
            if row.status != Status.WAITING:
                settled.append(row)
        MessageAttempt.objects.bulk_create(
            MessageAttempt(message=one.message, outcome=one.outcome, answer=one.answer[:500], tried_at=one.at)
            for one in attempts
        )
        if settled:
            message_settled.send(OutboxMessage, messages=settled, at=attempts[0].at)


def _apply(row: OutboxMessage, attempt: Attempt) -> None:
    row.try_count += 1
    row.lease = row.leased_until = None
    if attempt.outcome == Outcome.DONE:
        row.status, row.settled_at, row.is_held = Status.SENT, attempt.at, False
    elif row.try_count > len(RETRY_AFTER):
        row.status, row.settled_at, row.is_held = Status.PARKED, attempt.at, False
        row.reason = attempt.answer[:200]
    else:
        pause = RETRY_AFTER[row.try_count - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        row.retry_at = attempt.at + timedelta(seconds=pause)
    row.save(
        update_fields=[
            "try_count",
            "lease",
            "leased_until",
            "status",
            "is_held",
            "settled_at",
            "reason",
            "retry_at",
        ]
    )


def release(messages: list[OutboxMessage]) -> None:
    """Let go of messages whose robot has no place free in this minute."""
    for message in messages:
        OutboxMessage.objects.filter(pk=message.pk, lease=message.lease).update(lease=None, leased_until=None)


def _paced(messages: list[OutboxMessage], pace: Pace) -> list[OutboxMessage]:
    """Those that may go now; the others are let go of. Only what is said counts towards the pace."""
    by_robot: dict[Robot, list[OutboxMessage]] = defaultdict(list)
    for message in messages:
        if message.operation == OutboxMessage.Operation.SEND:
            by_robot[message.robot].append(message)
    held_back: set[int] = set()
    for robot, said in by_robot.items():
        granted = pace.take(robot.code, len(said))
        held_back.update(message.pk for message in said[granted:])
    release([message for message in messages if message.pk in held_back])
    return [message for message in messages if message.pk not in held_back]


def drain(*, gateway: RobotGateway | None = None, pace: Pace | None = None) -> int:
    """Send until nothing can be sent now; how many tries were made."""
    gateway, pace = gateway or RobotGateway.from_settings(), pace or Pace.from_settings()
    count = 0
    with ThreadPoolExecutor(settings.SENDER_CONCURRENCY) as pool:
        while messages := claim(at=timezone.now(), resting=pace.resting_robots()):
            going = _paced(messages, pace)
            attempts = list(pool.map(lambda message: perform(message, gateway), going))
            if attempts:
                settle(attempts)
            count += len(attempts)
    return count


def retry(messages: Iterable[OutboxMessage], *, at: datetime) -> int:
    """Have parked messages tried again, from the first try on; how many were parked."""
    keys = [message.pk for message in messages]
    return OutboxMessage.objects.filter(pk__in=keys, status=Status.PARKED).update(
        status=Status.WAITING, settled_at=None, try_count=0, retry_at=at, reason=""
    )
