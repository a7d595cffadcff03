"""Handling of the inbox's events: each has its effect exactly once, and events of one ordering key keep their order.

A transaction handles one event, or a batch of a command with bulk handlers. The effects of an event and its new status
commit together, so a killed worker leaves no effect.
"""

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import BoundedSemaphore

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from config.errors import Refusal
from config.platform import db
from config.platform.logging import masked
from config.platform.queues import Backoff
from integrations.gateway.claiming import ClaimedEvent, claim_events
from integrations.gateway.event_body import EventBody
from integrations.gateway.payloads import BadEvent
from integrations.gateway.subscriptions import Event, EventIgnored, bulk_handlers_of, handlers_of
from integrations.http import storable
from integrations.models import GatewayEvent

logger = logging.getLogger(__name__)

BACKOFF = Backoff(tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120)), max_attempts=5)
WINDOW_TIME = timedelta(seconds=1)  # spent in one window of the backlog before the front is read again
Status = GatewayEvent.Status
handler_threads = BoundedSemaphore(settings.INBOX_THREADS)

_FINISH = """
UPDATE integrations_gatewayevent e
SET status = r.status, finished_at = %s, note = r.note, attempts = e.attempts + 1
FROM unnest(%s::bigint[], %s::smallint[], %s::text[]) AS r(id, status, note) WHERE e.id = r.id
"""
_RETRY = """
UPDATE integrations_gatewayevent SET attempts = attempts + 1, next_attempt_at = %s, note = %s WHERE id = %s
"""


@dataclass(frozen=True)
class Outcome:
    """The new status of an event, and a note for operators: why it was ignored, or the traceback."""

    claimed: ClaimedEvent
    status: Status
    note: str = ""


def handle_waiting() -> int:
    """Handle every event that can be handled now. Returns the number of attempts, failed ones included.

    A process does this in INBOX_THREADS threads at most, so a flood of events leaves its other threads free.
    """
    if not handler_threads.acquire(blocking=False):
        return 0
    try:
        return _handle_all()
    finally:
        handler_threads.release()


def _handle_all() -> int:
    """Go through the backlog window by window. Stay up to WINDOW_TIME in a window with events to handle."""
    count = after = 0
    entered_at = timezone.now()
    while True:
        at = timezone.now()
        handled, next_after = handle_batch(at=at, after=after)
        count += handled
        if handled and at - entered_at < WINDOW_TIME:
            continue
        if not handled and not next_after:
            return count
        # After WINDOW_TIME in one window begin at the front again, where a failed event may be due for another attempt.
        after = 0 if handled else next_after
        entered_at = at


def handle_batch(*, at: datetime, after: int = 0) -> tuple[int, int]:
    """Handle the next event after this id, and many others of its command if that has bulk handlers.

    Returns the number of attempts, failed ones included, and the id after which the next window begins (0 when there is
    none).
    """
    with transaction.atomic():
        events, next_after = claim_events(at=at, after=after)
        outcomes = _outcomes(events) if events else []
        _store(outcomes, at)
    return len(outcomes), next_after


def _outcomes(events: Sequence[ClaimedEvent]) -> list[Outcome]:
    """Handle the events together, or one by one when that fails or their command has no bulk handlers."""
    ignored = _handle_in_bulk(events)
    if ignored is None:
        return _handle_one_by_one(events)
    return [
        Outcome(claimed, Status.IGNORED, ignored[claimed.event_id])
        if claimed.event_id in ignored
        else Outcome(claimed, Status.HANDLED)
        for claimed in events
    ]


def _handle_in_bulk(events: Sequence[ClaimedEvent]) -> Mapping[str, str] | None:
    """Call the bulk handlers. Returns the reasons of the ignored events by event_id, or None when nothing was done."""
    command = events[0].command
    handlers = bulk_handlers_of(command)
    if not handlers:
        return None
    try:
        with transaction.atomic():
            remaining, ignored = _parse_all(events)
            for handler in handlers:
                ignored.update(handler(remaining))
                remaining = [event for event in remaining if event.event_id not in ignored]
    except Exception as error:  # noqa: BLE001 - handling them one by one shows which event failed
        logger.warning("A batch of %s is handled one by one: %s", command, type(error).__name__)
        return None
    return ignored


def _parse_all(events: Sequence[ClaimedEvent]) -> tuple[list[Event[EventBody]], dict[str, str]]:
    """Parse each body once for all handlers. Returns the valid events, and why the others are ignored, by event_id."""
    valid: list[Event[EventBody]] = []
    ignored: dict[str, str] = {}
    for claimed in events:
        try:
            valid.append(claimed.parse())
        except BadEvent as reason:
            ignored[claimed.event_id] = str(reason)
    return valid, ignored


def _handle_one_by_one(events: Sequence[ClaimedEvent]) -> list[Outcome]:
    """Handle each event by itself. Events behind one of the same ordering key that is to be retried stay WAITING.

    They have no outcome, so their rows are not changed.
    """
    outcomes: list[Outcome] = []
    blocked_keys: set[str] = set()
    for claimed in events:
        if claimed.ordering_key not in blocked_keys:
            outcomes.append(_handle(claimed))
            if outcomes[-1].status == Status.WAITING and claimed.ordering_key:
                blocked_keys.add(claimed.ordering_key)
    return outcomes


def _handle(claimed: ClaimedEvent) -> Outcome:
    handlers = handlers_of(claimed.command)
    if not handlers:
        return Outcome(claimed, Status.UNKNOWN, "没有处理该命令的程序")
    try:
        with transaction.atomic():
            event = claimed.parse()
            notes = [note for handler in handlers if (note := handler(event))]
    # A Refusal is an answer of our own rules, the same for every attempt, so the event is not tried again.
    except (EventIgnored, Refusal) as reason:
        return Outcome(claimed, Status.IGNORED, str(reason))
    except Exception:  # noqa: BLE001 - an error of one event must not end the loop over the others
        return _failed(claimed)
    return Outcome(claimed, Status.HANDLED, "；".join(notes))


def _failed(claimed: ClaimedEvent) -> Outcome:
    """Return WAITING for another attempt, or FAILED for an operator after the last attempt."""
    logger.exception("Event %s (%s) failed", claimed.event_id, claimed.command)
    status = Status.FAILED if BACKOFF.is_exhausted(claimed.attempts + 1) else Status.WAITING
    return Outcome(claimed, status, traceback.format_exc())


def _store(outcomes: Sequence[Outcome], at: datetime) -> None:
    finished = [outcome for outcome in outcomes if outcome.status != Status.WAITING]
    columns = [
        [outcome.claimed.pk for outcome in finished],
        [int(outcome.status) for outcome in finished],
        [_note(outcome) if outcome.note else "" for outcome in finished],
    ]
    if finished:
        db.execute(_FINISH, [at, *columns])
    for outcome in outcomes:
        if outcome.status == Status.WAITING:
            next_attempt_at = at + BACKOFF.delay_after(outcome.claimed.attempts + 1)
            db.execute(_RETRY, [next_attempt_at, _note(outcome), outcome.claimed.pk])


def _note(outcome: Outcome) -> str:
    """Return the last 5,000 characters of the note, where a traceback names the error, without personal data."""
    return storable(masked(outcome.note)[-5000:])
