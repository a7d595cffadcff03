"""Claiming: which waiting events may be handled now, and taking them in hand until the transaction ends.

Of each lane the oldest, and of commands that are handled in bulk what follows it. A claim looks at a span of the
backlog, so that it costs the same however much waits and in however many lanes. It locks nothing but what it takes.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

import orjson
from django.db import connection

from integrations.gateway.subscriptions import Event, bulk_subscribers_of

BATCH = 100
FRONT, SPAN = 200, 2_000  # waiting events looked at in one go: at the front of the backlog, and further back

# Statistics know nothing of a flood that came since they were made: by them, gathering all that waits and sorting it
# looks as cheap as reading the index in its order.
_LOOK = """
SET LOCAL enable_bitmapscan = off;
SELECT id, command, lane, after_lane, retry_at <= %(at)s FROM integrations_gatewayevent
WHERE status = 0 AND id > %(after)s ORDER BY id LIMIT %(span)s
"""
_OLDEST = """
SELECT l.lane, (SELECT b.id FROM integrations_gatewayevent b WHERE b.status = 0 AND b.lane = l.lane ORDER BY b.id LIMIT 1)
FROM unnest(%s::text[]) AS l(lane)
"""
# "< 1" is 0, and leads to the primary key rather than to one of the indexes of what waits.
_TAKE = """
RESET enable_bitmapscan;
SELECT id, lane, event_id, command, body, received_at, try_count FROM integrations_gatewayevent
WHERE id = ANY(%(ids)s) AND status < 1 AND retry_at <= %(at)s ORDER BY id LIMIT %(most)s FOR UPDATE SKIP LOCKED
"""


class Claimed(NamedTuple):
    """An event in hand."""

    pk: int
    lane: str
    told: Event
    try_count: int


class Claim(NamedTuple):
    """What was taken, oldest first; and after which id to look further (0: everything that waits was looked at)."""

    events: list[Claimed]
    until: int


class Waiting(NamedTuple):
    """A waiting event as it was seen."""

    id: int
    command: str
    lane: str
    after_lane: str
    is_due: bool


Run = Sequence[Waiting]  # events of one lane in their order, the first of which may be handled now


def claim(*, at: datetime, after: int = 0) -> Claim:
    """Of the events after this id take the next in hand, and many others of its command if that is handled in bulk."""
    span = SPAN if after else FRONT
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, {"at": at, "after": after, "span": span})
        seen = [Waiting._make(row) for row in cursor.fetchall()]
    until = seen[-1].id if len(seen) == span else 0
    runs = list(_runs(seen, after))
    for command in dict.fromkeys(run[0].command for run in runs):
        if taken := _take([run for run in runs if run[0].command == command], at):
            return Claim(taken, until)
    return Claim([], until)


def _runs(seen: Iterable[Waiting], after: int) -> Iterator[Run]:
    """Lane by lane what may be handled. A head that somebody else has in hand still waits to everybody's eyes but theirs."""
    lanes: dict[str | int, list[Waiting]] = {}
    for one in seen:
        lanes.setdefault(one.lane or one.id, []).append(one)
    oldest = {lane: run[0].id for lane, run in lanes.items()}
    if after:
        oldest |= _oldest({lane for run in lanes.values() for lane in (run[0].lane, run[0].after_lane) if lane})
    for lane, run in lanes.items():
        head = run[0]
        if head.is_due and oldest[lane] == head.id and oldest.get(head.after_lane, head.id) >= head.id:
            yield _run(run)


def _run(lane: Run) -> Run:
    head = lane[0]
    if not bulk_subscribers_of(head.command):
        return lane[:1]
    following = takewhile(lambda one: one.command == head.command and one.is_due and not one.after_lane, lane[1:])
    return [head, *following]


def _oldest(lanes: Iterable[str]) -> dict[str | int, int]:
    """The oldest waiting event of each of these lanes."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST, [list(lanes)])
        return {lane: pk for lane, pk in cursor.fetchall() if pk is not None}


def _take(runs: Sequence[Run], at: datetime) -> list[Claimed]:
    """What can be had of these runs of one command; after a gap, which is in other hands, a run ends."""
    is_bulk = bool(bulk_subscribers_of(runs[0][0].command))
    words: dict[str, Any] = {
        "ids": [one.id for run in runs for one in run],
        "at": at,
        "most": BATCH if is_bulk else 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, words)
        rows = {row[0]: row for row in cursor.fetchall()}
    free = {one.id for run in runs for one in takewhile(lambda one: one.id in rows, run)}
    return [_claimed(*row) for pk, row in rows.items() if pk in free]


def _claimed(
    pk: int, lane: str, event_id: str, command: str, body: str, received_at: datetime, try_count: int
) -> Claimed:
    return Claimed(pk, lane, Event(event_id, command, orjson.loads(body), received_at, pk), try_count)
