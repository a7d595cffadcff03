"""Claiming of waiting events: finding those that may be handled now, and locking them until the transaction ends.

The oldest event of each ordering key may be handled, and for a command with bulk handlers the events that follow it. A
claim reads one window of the backlog, so its cost depends neither on how many events wait nor on how many ordering keys
they have. It locks only the events that it returns.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

import orjson

from config.platform import db
from integrations.gateway.event_body import BY_COMMAND, EventBody
from integrations.gateway.subscriptions import Event, bulk_handlers_of
from integrations.models import GatewayEvent

BATCH = 100
# Waiting events that one claim reads: at the front of the backlog, and behind it.
FIRST_WINDOW, WINDOW = 200, 2_000
_STATUSES = db.enum_params(event=GatewayEvent.Status)

# In a sudden flood of events the table's statistics are out of date. The planner then estimates that a bitmap scan and a sort
# of all waiting events cost no more than an index scan in the order of ids, so bitmap scans are switched off.
_SELECT_WINDOW = """
SET LOCAL enable_bitmapscan = off;
SELECT id, command, ordering_key, depends_on_key, next_attempt_at <= %(at)s FROM integrations_gatewayevent
WHERE status = %(event_waiting)s AND id > %(after)s ORDER BY id LIMIT %(window)s
"""
_SELECT_OLDEST = """
SELECT k.ordering_key, (
    SELECT e.id FROM integrations_gatewayevent e
    WHERE e.status = %(event_waiting)s AND e.ordering_key = k.ordering_key ORDER BY e.id LIMIT 1)
FROM unnest(%(keys)s::text[]) AS k(ordering_key)
"""
# WAITING is the lowest status, so "<=" selects the same rows as "=". The partial indexes of waiting events do not match "<=",
# so the planner uses the primary key.
_LOCK = """
RESET enable_bitmapscan;
SELECT id, ordering_key, event_id, command, body, received_at, attempts FROM integrations_gatewayevent
WHERE id = ANY(%(ids)s) AND status <= %(event_waiting)s AND next_attempt_at <= %(at)s
ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""


class ClaimedEvent(NamedTuple):
    """An event that is locked by this transaction."""

    pk: int
    ordering_key: str
    event_id: str
    command: str
    payload: Any
    received_at: datetime
    attempts: int

    def parse(self) -> Event[EventBody]:
        """Return the event that the handlers take. Raises BadEvent. Its command has handlers, so it has a class."""
        kind = BY_COMMAND[self.command]
        return Event(self.event_id, kind.parse(self.payload), self.received_at, self.pk)


class EventClaim(NamedTuple):
    """The locked events, oldest first, and the id after which the next window begins; 0 when there is none."""

    events: list[ClaimedEvent]
    next_after: int


class WaitingEvent(NamedTuple):
    """The columns of a waiting event by which a claim decides."""

    id: int
    command: str
    ordering_key: str
    depends_on_key: str
    is_due: bool


KeyBatch = Sequence[WaitingEvent]  # events of one ordering key in their order


def claim_events(*, at: datetime, after: int = 0) -> EventClaim:
    """Lock the next event after this id, and many others of its command if that has bulk handlers."""
    window = WINDOW if after else FIRST_WINDOW
    params = {**_STATUSES, "at": at, "after": after, "window": window}
    waiting = [WaitingEvent._make(row) for row in db.rows(_SELECT_WINDOW, params)]
    next_after = waiting[-1].id if len(waiting) == window else 0
    batches = list(_ready_batches(waiting, after))
    for command in dict.fromkeys(batch[0].command for batch in batches):
        if claimed := _lock([batch for batch in batches if batch[0].command == command], at):
            return EventClaim(claimed, next_after)
    return EventClaim([], next_after)


def _ready_batches(waiting: Iterable[WaitingEvent], after: int) -> Iterator[KeyBatch]:
    """Yield for each ordering key the events that may be handled now.

    An event that another transaction has locked still counts as the first of its key: its new status is not committed.
    """
    by_key: dict[str | int, list[WaitingEvent]] = {}
    for event in waiting:
        by_key.setdefault(event.ordering_key or event.id, []).append(event)  # without a key, each event is its own
    oldest = {key: events[0].id for key, events in by_key.items()}
    if after:  # the window does not begin at the front, so older events of these keys may be outside it
        firsts = [events[0] for events in by_key.values()]
        oldest |= _oldest({key for first in firsts for key in (first.ordering_key, first.depends_on_key) if key})
    for key, events in by_key.items():
        if events[0].is_due and _is_oldest(events[0], key, oldest):
            yield _batch(events)


def _is_oldest(event: WaitingEvent, key: str | int, oldest: Mapping[str | int, int]) -> bool:
    """Return whether no older event of its ordering key, or of the key that it depends on, is waiting."""
    oldest_it_depends_on = oldest.get(event.depends_on_key, event.id)
    return oldest[key] == event.id and oldest_it_depends_on >= event.id


def _batch(events: KeyBatch) -> KeyBatch:
    """Return the first event, with those behind it that a bulk handler may take together with it."""
    first = events[0]
    if not bulk_handlers_of(first.command):
        return events[:1]
    following = takewhile(
        lambda event: event.command == first.command and event.is_due and not event.depends_on_key, events[1:]
    )
    return [first, *following]


def _oldest(keys: Iterable[str]) -> dict[str | int, int]:
    """Return the id of the oldest waiting event of each of these ordering keys."""
    found = db.rows(_SELECT_OLDEST, {**_STATUSES, "keys": list(keys)})
    return {key: pk for key, pk in found if pk is not None}


def _lock(batches: Sequence[KeyBatch], at: datetime) -> list[ClaimedEvent]:
    """Lock the free events of these batches of one command. A batch ends before its first event that is locked elsewhere."""
    is_bulk = bool(bulk_handlers_of(batches[0][0].command))
    params = {
        **_STATUSES,
        "ids": [event.id for batch in batches for event in batch],
        "at": at,
        "limit": BATCH if is_bulk else 1,
    }
    rows = {row[0]: row for row in db.rows(_LOCK, params)}
    in_order = {event.id for batch in batches for event in takewhile(lambda event: event.id in rows, batch)}
    return [_claimed(*row) for pk, row in rows.items() if pk in in_order]


def _claimed(
    pk: int, ordering_key: str, event_id: str, command: str, body: str, received_at: datetime, attempts: int
) -> ClaimedEvent:
    return ClaimedEvent(pk, ordering_key, event_id, command, orjson.loads(body), received_at, attempts)
