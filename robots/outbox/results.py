"""The results of attempts: each attempt is stored with the gateway's answer, and its message gets its next status."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from config.platform import db
from config.platform.queues import Backoff
from integrations.http import Busy, OutcomeUnknown, OutsideError, Refused
from robots.models import MessageAttempt, OutboxMessage
from robots.outbox.leases import ClaimedMessage
from robots.signals import FinishedMessage, message_finished

# Five attempts in half an hour; about eight hours for a message that the gateway's flow control puts off. A failed message
# delays its conversation, so the first delay is short.
BACKOFF = Backoff(tuple(timedelta(seconds=seconds) for seconds in (2.5, 30, 240, 1500)), max_attempts=5, jitter=0.2)
WHEN_BUSY = replace(BACKOFF, max_attempts=24)
_RECEIVER_FAILED = "系统未能处理网关的应答："
Outcome = MessageAttempt.Outcome
Status = OutboxMessage.Status
_STATUSES = db.enum_params(message=Status)
_DONE = (Outcome.DONE.value, "", Status.SENT.value, None)

# A failed attempt changes its message only while the sender still has the lease. A successful attempt always makes the
# message SENT, even if it was closed or claimed by another sender meanwhile, because the gateway has executed it. Each
# lease has one attempt, so storing the same results again changes nothing.
_FINISH = """
WITH results AS (
    SELECT * FROM unnest(%(ids)s::bigint[], %(leases)s::uuid[], %(outcomes)s::text[], %(answers)s::text[],
                         %(statuses)s::smallint[], %(retries)s::timestamptz[])
        AS r(id, lease, outcome, answer, status, next_attempt_at)
), attempts AS (
    INSERT INTO robots_messageattempt (message_id, lease, outcome, answer, tried_at)
    SELECT id, lease, outcome, answer, %(at)s FROM results ON CONFLICT DO NOTHING
), changed AS (
    UPDATE robots_outboxmessage o
    SET status = r.status, attempts = o.attempts + 1, lease = NULL, leased_until = NULL,
        is_held = o.is_held AND r.status <> %(message_sent)s, next_attempt_at = COALESCE(r.next_attempt_at, o.next_attempt_at),
        finished_at = CASE WHEN r.status <> %(message_waiting)s THEN %(at)s::timestamptz END,
        last_error = CASE WHEN r.status = %(message_failed)s THEN left(r.answer, 200) ELSE '' END
    FROM results r
    WHERE o.id = ANY(%(ids)s) AND o.id = r.id
      AND (o.status = %(message_waiting)s AND o.lease = r.lease
           OR r.status = %(message_sent)s AND o.status <> %(message_sent)s)
    RETURNING o.id, o.status
)
SELECT id FROM changed WHERE status <> %(message_waiting)s
"""


class AttemptResult(NamedTuple):
    """The result of an attempt. No error: the gateway executed it.

    `receiver_error` names the exception of a receiver of `message_finished`.
    """

    message: ClaimedMessage
    error: OutsideError | None = None
    receiver_error: str = ""

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
        text = "" if self.error is None else str(self.error)
        return (
            f"{_RECEIVER_FAILED}{self.receiver_error} {text}".strip()[:500] if self.receiver_error else text[:500]
        )

    @property
    def status(self) -> OutboxMessage.Status:
        """The status of the message after the attempt: SENT, FAILED after the last attempt, else WAITING."""
        if self.error is None and not self.receiver_error:
            return Status.SENT
        was_busy = BACKOFF.is_exhausted(self.message.attempts)  # only Busy allows so many attempts
        backoff = WHEN_BUSY if was_busy or isinstance(self.error, Busy) else BACKOFF
        return Status.FAILED if backoff.is_exhausted(self.message.attempts + 1) else Status.WAITING

    def next_attempt_at(self, at: datetime) -> datetime | None:
        """Return the time of the next attempt: later after each failure, and spread so that messages do not come at once."""
        if self.status != Status.WAITING:
            return None
        return at + BACKOFF.delay_after(self.message.attempts + 1)

    def columns(self, at: datetime) -> tuple[str, str, int, datetime | None]:
        """Return the outcome, the answer, the status and the time of the next attempt as they are stored."""
        if self.error is None and not self.receiver_error:
            return _DONE  # nearly every attempt
        return self.outcome.value, self.answer, self.status.value, self.next_attempt_at(at)


def finish(results: list[AttemptResult], *, at: datetime) -> None:
    """Store the results of all attempts in one statement, also of those that are to be tried again.

    `message_finished` is sent for the messages that reached a final status.
    """
    with transaction.atomic():
        finished_ids = _store(results, at)
        finished = [_finished_message(result, at) for result in results if result.message.id in finished_ids]
        if finished:
            message_finished.send(OutboxMessage, messages=finished, at=at)


def postpone(result: AttemptResult, *, receiver_error: str, at: datetime) -> None:
    """Store a result for which a receiver of `message_finished` fails: as a failed attempt, without the signal.

    The message is tried again, and FAILED after the fifth attempt. The gateway executes a `message_no` once, so an
    operator may have it tried again when the receiver is repaired.
    """
    _store([result._replace(receiver_error=receiver_error)], at)


def _store(results: list[AttemptResult], at: datetime) -> set[int]:
    """Store the results in one statement. Returns the ids of the messages that reached a final status."""
    results = sorted(results, key=_message_id)
    outcomes, answers, statuses, retries = map(list, zip(*(result.columns(at) for result in results), strict=True))
    params = {
        **_STATUSES,
        "at": at,
        "ids": [result.message.id for result in results],
        "leases": [result.message.lease for result in results],
        "outcomes": outcomes,
        "answers": answers,
        "statuses": statuses,
        "retries": retries,
    }
    return {key for (key,) in db.rows(_FINISH, params)}


def _message_id(result: AttemptResult) -> int:
    return result.message.id


def _finished_message(result: AttemptResult, at: datetime) -> FinishedMessage:
    message, status = result.message, result.status
    last_error = result.answer[:200] if status == Status.FAILED else ""
    return FinishedMessage(
        pk=message.id,
        message_no=message.message_no,
        operation=message.operation,
        group_code=message.group_code,
        source_type=message.source_type,
        source_id=message.source_id,
        status=int(status),
        last_error=last_error,
        finished_at=at,
    )
