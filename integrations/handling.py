"""Handling what the inbox holds: exactly once in effect, in order per lane, lanes beside each other.

One event a transaction; of commands whose subscribers take many at once the heads of many lanes. The effects of
events and their marks commit together, so a killed worker has done nothing.
"""

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import BoundedSemaphore
from typing import Any

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from config.errors import Refusal
from integrations.events import Event, EventIgnored, bulk_subscribers_of, subscribers_of
from integrations.models import GatewayEvent

logger = logging.getLogger(__name__)

TRIES = 5
RETRY_AFTER = (1, 5, 30, 120)  # seconds after the first, second … failure
BATCH = 100
Status = GatewayEvent.Status
places = BoundedSemaphore(settings.INBOX_THREADS)

# The oldest waiting event whose lanes have nothing older waiting. A lane's head that somebody else has in
# hand is still 'waiting' to every other snapshot, so nobody overtakes it.
_HEADS = """
SELECT e.id, e.event_id, e.command, e.body, e.received_at, e.try_count FROM integrations_gatewayevent e
WHERE e.status = 0 AND e.retry_at <= %(at)s {only}
  AND (e.lane = '' OR NOT EXISTS (
      SELECT 1 FROM integrations_gatewayevent b WHERE b.status = 0 AND b.lane = e.lane AND b.id < e.id))
  AND (e.after_lane = '' OR NOT EXISTS (
      SELECT 1 FROM integrations_gatewayevent b WHERE b.status = 0 AND b.lane = e.after_lane AND b.id < e.id))
ORDER BY e.id LIMIT %(most)s FOR UPDATE OF e SKIP LOCKED
"""
_FIRST = _HEADS.format(only="")
_ALIKE = _HEADS.format(only="AND e.command = %(command)s AND e.id > %(first)s")
_SETTLE = """
UPDATE integrations_gatewayevent e
SET status = t.status, settled_at = %s, note = t.note, try_count = e.try_count + 1
FROM unnest(%s::bigint[], %s::smallint[], %s::text[]) AS t(id, status, note) WHERE e.id = t.id
"""
_RETRY = """
UPDATE integrations_gatewayevent SET try_count = try_count + 1, retry_at = %s, note = %s WHERE id = %s
"""


@dataclass(frozen=True)
class Claimed:
    """An event in hand."""

    pk: int
    told: Event
    try_count: int


@dataclass(frozen=True)
class Outcome:
    """What became of an event, and why if it was not handled."""

    event: Claimed
    status: Status
    note: str = ""


def handle_waiting() -> int:
    """Handle all that can be handled now; how many were.

    A process does this in INBOX_THREADS threads at most: a flood leaves the others free for other work.
    """
    if not places.acquire(blocking=False):
        return 0
    try:
        count = 0
        while handled := handle_some(at=timezone.now()):
            count += handled
        return count
    finally:
        places.release()


def handle_some(*, at: datetime) -> int:
    """Handle the next event, and many others of its command if that is done in bulk; how many."""
    with transaction.atomic():
        events = _claim(at)
        if events:
            _settle(_outcomes(events), at)
    return len(events)


def _claim(at: datetime) -> list[Claimed]:
    words: dict[str, Any] = {"at": at, "most": 1}
    with connection.cursor() as cursor:
        cursor.execute(_FIRST, words)
        rows = cursor.fetchall()
        if rows and bulk_subscribers_of(rows[0][2]):
            cursor.execute(_ALIKE, words | {"most": BATCH - 1, "command": rows[0][2], "first": rows[0][0]})
            rows += cursor.fetchall()
    return [
        Claimed(pk, Event(event_id, command, orjson.loads(body), received_at), try_count)
        for pk, event_id, command, body, received_at, try_count in rows
    ]


def _outcomes(events: Sequence[Claimed]) -> list[Outcome]:
    """All at once where that goes well, else one by one."""
    ignored = _handle_in_bulk(events)
    if ignored is None:
        return [_handle(event) for event in events]
    return [
        Outcome(event, Status.IGNORED, ignored[event.told.event_id])
        if event.told.event_id in ignored
        else Outcome(event, Status.HANDLED)
        for event in events
    ]


def _handle_in_bulk(events: Sequence[Claimed]) -> Mapping[str, str] | None:
    """By event_id those that needed nothing; None when it has to be done one by one, and nothing was done."""
    handlers = bulk_subscribers_of(events[0].told.command)
    if not handlers:
        return None
    left = [event.told for event in events]
    ignored: dict[str, str] = {}
    try:
        with transaction.atomic():
            for handler in handlers:
                ignored.update(handler(left))
                left = [event for event in left if event.event_id not in ignored]
    except Exception as error:  # noqa: BLE001 - which event it was shows when each is handled by itself
        logger.warning("A batch of %s is handled one by one: %s", events[0].told.command, type(error).__name__)
        return None
    return ignored


def _handle(event: Claimed) -> Outcome:
    handlers = subscribers_of(event.told.command)
    if not handlers:
        return Outcome(event, Status.UNKNOWN, "没有处理该命令的程序")
    try:
        with transaction.atomic():
            for handler in handlers:
                handler(event.told)
    except (EventIgnored, Refusal) as reason:
        return Outcome(event, Status.IGNORED, str(reason))
    except Exception:  # noqa: BLE001 - one of the two loops that must not die
        return _failed(event)
    return Outcome(event, Status.HANDLED)


def _failed(event: Claimed) -> Outcome:
    """To be tried again later, in its lane's order; after the last try parked for operators."""
    logger.exception("Event %s (%s) failed", event.told.event_id, event.told.command)
    status = Status.PARKED if event.try_count + 1 >= TRIES else Status.WAITING
    return Outcome(event, status, traceback.format_exc())


def _settle(outcomes: Sequence[Outcome], at: datetime) -> None:
    over = [one for one in outcomes if one.status != Status.WAITING]
    columns: list[Any] = [
        [one.event.pk for one in over],
        [int(one.status) for one in over],
        [_note(one) for one in over],
    ]
    with connection.cursor() as cursor:
        if over:
            cursor.execute(_SETTLE, [at, *columns])
        for one in outcomes:
            if one.status == Status.WAITING:
                again = at + timedelta(seconds=RETRY_AFTER[one.event.try_count])
                cursor.execute(_RETRY, [again, _note(one), one.event.pk])


def _note(outcome: Outcome) -> str:
    """The end of it: of a traceback that is where it happened."""
    return outcome.note[-5000:].replace("\x00", "").encode("utf-8", "replace").decode()
