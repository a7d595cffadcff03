"""Handling what the inbox holds: exactly once in effect, in order per lane, lanes beside each other.

One event a transaction; of commands whose subscribers take many at once as many as can be had. The effects of events
and their marks commit together, so a killed worker has done nothing.
"""

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import BoundedSemaphore
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from config.errors import Refusal
from config.platform.logging import masked
from integrations.gateway.claiming import Claimed, claim
from integrations.gateway.subscriptions import EventIgnored, bulk_subscribers_of, subscribers_of
from integrations.http import keepable
from integrations.models import GatewayEvent

logger = logging.getLogger(__name__)

TRIES = 5
RETRY_AFTER = (1, 5, 30, 120)  # seconds after the first, second … failure
STAY = timedelta(seconds=1)  # at one place of the backlog, before the front is looked at again
Status = GatewayEvent.Status
places = BoundedSemaphore(settings.INBOX_THREADS)

_SETTLE = """
UPDATE integrations_gatewayevent e
SET status = t.status, settled_at = %s, note = t.note, try_count = e.try_count + 1
FROM unnest(%s::bigint[], %s::smallint[], %s::text[]) AS t(id, status, note) WHERE e.id = t.id
"""
_RETRY = """
UPDATE integrations_gatewayevent SET try_count = try_count + 1, retry_at = %s, note = %s WHERE id = %s
"""


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
        return _handle_all()
    finally:
        places.release()


def _handle_all() -> int:
    """From the front of the backlog on, span by span; where there is something to do it stays a moment."""
    count = after = 0
    came = timezone.now()
    while True:
        at = timezone.now()
        handled, further = handle_some(at=at, after=after)
        count += handled
        if handled and at - came < STAY:
            continue
        if not handled and not further:
            return count
        after, came = 0 if handled else further, at  # what failed in front may be due again


def handle_some(*, at: datetime, after: int = 0) -> tuple[int, int]:
    """Handle the next event after this id, and many others of its command if that is done in bulk.

    Answers how many, and after which id to look further (0: everything that waits was looked at).
    """
    with transaction.atomic():
        events, until = claim(at=at, after=after)
        outcomes = _outcomes(events) if events else []
        _settle(outcomes, at)
    return len(outcomes), until


def _outcomes(events: Sequence[Claimed]) -> list[Outcome]:
    """All at once where that goes well, else one by one."""
    ignored = _handle_in_bulk(events)
    if ignored is None:
        return _one_by_one(events)
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


def _one_by_one(events: Sequence[Claimed]) -> list[Outcome]:
    """What comes after one that is to be tried again waits for it, in its lane."""
    outcomes: list[Outcome] = []
    waiting: set[str] = set()
    for event in events:
        if event.lane not in waiting:
            outcomes.append(_handle(event))
            if outcomes[-1].status == Status.WAITING and event.lane:
                waiting.add(event.lane)
    return outcomes


def _handle(event: Claimed) -> Outcome:
    handlers = subscribers_of(event.told.command)
    if not handlers:
        return Outcome(event, Status.UNKNOWN, "没有处理该命令的程序")
    try:
        with transaction.atomic():
            notes = [note for handler in handlers if (note := handler(event.told))]
    except (EventIgnored, Refusal) as reason:
        return Outcome(event, Status.IGNORED, str(reason))
    except Exception:  # noqa: BLE001 - one of the two loops that must not die
        return _failed(event)
    return Outcome(event, Status.HANDLED, "；".join(notes))


def _failed(event: Claimed) -> Outcome:
    """To be tried again later, in its lane's order; after the last try parked for operators."""
    logger.exception("Event %s (%s) failed", event.told.event_id, event.told.command)
    status = Status.FAILED if event.try_count + 1 >= TRIES else Status.WAITING
    return Outcome(event, status, traceback.format_exc())


def _settle(outcomes: Sequence[Outcome], at: datetime) -> None:
    over = [one for one in outcomes if one.status != Status.WAITING]
    columns: list[Any] = [
        [one.event.pk for one in over],
        [int(one.status) for one in over],
        [_note(one) if one.note else "" for one in over],
    ]
    with connection.cursor() as cursor:
        if over:
            cursor.execute(_SETTLE, [at, *columns])
        for one in outcomes:
            if one.status == Status.WAITING:
                again = at + timedelta(seconds=RETRY_AFTER[one.event.try_count])
                cursor.execute(_RETRY, [again, _note(one), one.event.pk])


def _note(outcome: Outcome) -> str:
    """The end of it (of a traceback that is where it happened), without people's numbers and rows' contents."""
    return keepable(masked(outcome.note)[-5000:])
