"""Receipts: what the gateway said to each try, and what becomes of the message."""

import random
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from integrations.http import Later, OutcomeUnknown, OutsideError, Refused
from robots.models import MessageAttempt, OutboxMessage
from robots.outbox.leases import Claimed
from robots.signals import FinishedMessage, message_finished

RETRY_AFTER = (30, 120, 450, 1200)  # seconds after the first, second … try: five tries in half an hour
LATER_TRIES = 24  # of what the gateway has no time for (flow control): it waits about eight hours
JITTER = 0.2
_NOT_TAKEN_IN = "系统未能处理网关的应答:"
Outcome = MessageAttempt.Outcome
Status = OutboxMessage.Status
_DONE = (Outcome.DONE.value, "", Status.SENT.value, None)

# A try counts while the sender still has the message in hand. What the gateway has done is done, though: a message
# that was closed, or went on to somebody else meanwhile, is sent all the same. The receipt of each claim is kept once,
# so writing the same receipts again changes nothing.
_SETTLE = """
WITH told AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(leases)s::uuid[], %(outcomes)s::text[], %(answers)s::text[],
                         %(statuses)s::smallint[], %(retries)s::timestamptz[])
        AS t(id, lease, outcome, answer, status, retry_at)
), receipts AS (
    INSERT INTO robots_messageattempt (message_id, lease, outcome, answer, tried_at)
    SELECT id, lease, outcome, answer, %(at)s FROM told ON CONFLICT DO NOTHING
), changed AS (
    UPDATE robots_outboxmessage o
    SET status = told.status, try_count = o.try_count + 1, lease = NULL, leased_until = NULL,
        is_held = o.is_held AND told.status <> 1, retry_at = COALESCE(told.retry_at, o.retry_at),
        settled_at = CASE WHEN told.status <> 0 THEN %(at)s::timestamptz END,
        reason = CASE WHEN told.status = 2 THEN left(told.answer, 200) ELSE '' END
    FROM told
    WHERE o.id = ANY(%(ids)s) AND o.id = told.id AND (o.status = 0 AND o.lease = told.lease OR told.status = 1 AND o.status <> 1)
    RETURNING o.id, o.status
)
SELECT id FROM changed WHERE status <> 0
"""


class Attempt(NamedTuple):
    """One try at one message, and what came of it; no error: it is done. `fault`: why receivers cannot take it in."""

    message: Claimed
    error: OutsideError | None = None
    fault: str = ""

    @property
    def outcome(self) -> MessageAttempt.Outcome:
        match self.error:
            case None:
                return Outcome.DONE
            case Refused():
                return Outcome.REFUSED
            case OutcomeUnknown():
                return Outcome.UNKNOWN
            case _:
                return Outcome.UNAVAILABLE

    @property
    def answer(self) -> str:
        said = "" if self.error is None else str(self.error)
        return f"{_NOT_TAKEN_IN}{self.fault} {said}".strip()[:500] if self.fault else said[:500]

    @property
    def status(self) -> OutboxMessage.Status:
        """What the message is after it: sent, parked after the last, or waiting for the next."""
        if self.error is None and not self.fault:
            return Status.SENT
        was_put_off = self.message.try_count > len(RETRY_AFTER)  # more tries than others have: it waited before
        most = LATER_TRIES if was_put_off or isinstance(self.error, Later) else len(RETRY_AFTER) + 1
        return Status.FAILED if self.message.try_count + 1 >= most else Status.WAITING

    def retry_at(self, at: datetime) -> datetime | None:
        """When to try again: later each time, and never a whole crowd at once."""
        if self.status != Status.WAITING:
            return None
        pause = RETRY_AFTER[min(self.message.try_count, len(RETRY_AFTER) - 1)]
        spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        return at + timedelta(seconds=pause * spread)

    def told(self, at: datetime) -> tuple[str, str, int, datetime | None]:
        """Outcome, answer, status and the next try, as they are written down."""
        if self.error is None and not self.fault:
            return _DONE  # nearly all
        return self.outcome.value, self.answer, self.status.value, self.retry_at(at)


def settle(attempts: list[Attempt], *, at: datetime) -> None:
    """Write down what came of each try, in one statement, and tell receivers what reached its end."""
    with transaction.atomic():
        ended = _write(attempts, at)
        told = [_settled(attempt, at) for attempt in attempts if attempt.message.id in ended]
        if told:
            message_finished.send(OutboxMessage, messages=told, at=at)


def put_off(attempt: Attempt, *, fault: str, at: datetime) -> None:
    """Write down a try whose end receivers cannot take in: it is tried again, and after the fifth time parked untold.

    The gateway does it once however often it is asked, so an operator may have it tried again when the fault is mended.
    """
    _write([attempt._replace(fault=fault)], at)


def _write(attempts: list[Attempt], at: datetime) -> set[int]:
    """In one statement; the ids of the messages that reached an end."""
    attempts = sorted(attempts, key=_by_id)
    outcomes, answers, statuses, retries = map(list, zip(*(attempt.told(at) for attempt in attempts), strict=True))
    words: dict[str, Any] = {
        "at": at,
        "ids": [attempt.message.id for attempt in attempts],
        "leases": [attempt.message.lease for attempt in attempts],
        "outcomes": outcomes,
        "answers": answers,
        "statuses": statuses,
        "retries": retries,
    }
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, words)
        return {key for (key,) in cursor.fetchall()}


def _by_id(attempt: Attempt) -> int:
    return attempt.message.id


def _settled(attempt: Attempt, at: datetime) -> FinishedMessage:
    message, status = attempt.message, attempt.status
    reason = attempt.answer[:200] if status == Status.FAILED else ""
    return FinishedMessage(
        pk=message.id,
        message_no=message.message_no,
        operation=message.operation,
        group_code=message.group_code,
        cause=message.cause,
        status=int(status),
        reason=reason,
        settled_at=at,
    )
