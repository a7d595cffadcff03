"""Claiming: which messages a sender may take in hand, and for how long.

A claim is a lease: it commits before the gateway is called, so no lock is held meanwhile and a killed sender's
messages are claimed again when the lease has run out, under the same `message_no`. Leases go by PostgreSQL's clock,
the only one that all senders share.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db import connection

from robots.models import OutboxMessage

BATCH = 200
SPAN = 2_000  # waiting messages looked at in one go, so that a claim costs the same however many wait
Operation = OutboxMessage.Operation

# The first sendable message of each chat, if it is due: what comes later in a chat waits for it, also while it is in
# somebody's hands. What is held back until a time (not_before) does not hold up the others. Removed and banned robots
# say nothing. Robots and firsts are asked for row by row (scalar subqueries, which the planner cannot turn around), so
# that the scan in the order of ids ends as soon as there are enough, whatever the statistics say: of a queue they know
# nothing, it was empty when they were taken. For the same reason firsts are looked for by `is_sendable`, which only the
# index by chat knows of; the planner would take any other partial index for as good.
_CLAIM = """
WITH span AS MATERIALIZED (
    SELECT (SELECT id FROM robots_outboxmessage WHERE status = 0 AND NOT is_held AND id > %(after)s
            ORDER BY id OFFSET %(span)s - 1 LIMIT 1) AS last
), found AS MATERIALIZED (
    SELECT w.id, w.robot_id FROM robots_outboxmessage w
    WHERE w.status = 0 AND NOT w.is_held AND w.id > %(after)s
      AND w.id <= COALESCE((SELECT last FROM span), 9223372036854775807)
      AND w.not_before <= %(at)s AND w.retry_at <= %(at)s
      AND (w.leased_until IS NULL OR w.leased_until < clock_timestamp())
      AND (SELECT r.status IN (1, 2) AND (w.operation <> 'send' OR %(may_say)s AND r.code <> ALL(%(resting)s::text[]))
           FROM robots_robot r WHERE r.id = w.robot_id)
      AND w.id = (
          SELECT b.id FROM robots_outboxmessage b
          WHERE b.is_sendable AND b.chat = w.chat AND b.not_before <= %(at)s ORDER BY b.id LIMIT 1)
    ORDER BY w.id LIMIT %(batch)s
    FOR UPDATE OF w SKIP LOCKED
), claimed AS (
    UPDATE robots_outboxmessage o
    SET lease = %(lease)s::uuid, leased_until = clock_timestamp() + %(seconds)s * interval '1 second'
    FROM found JOIN robots_robot r ON r.id = found.robot_id WHERE o.id = found.id
    RETURNING o.id, o.message_no::text, o.operation, r.code, o.group_code, o.user_code, o.cause,
              o.try_count, o.by_day_only, o.mentions::text, o.content::text
), went AS (
    SELECT CASE WHEN (SELECT count(*) FROM found) = %(batch)s THEN (SELECT max(id) FROM found)
                ELSE (SELECT last FROM span) END AS until
)
SELECT went.until, claimed.* FROM went LEFT JOIN claimed ON true ORDER BY claimed.id
"""

_RELEASE = """
UPDATE robots_outboxmessage o
SET lease = NULL, leased_until = NULL, not_before = COALESCE(%(until)s::timestamptz, o.not_before)
FROM unnest(%(ids)s::bigint[], %(leases)s::uuid[]) AS t(id, lease)
WHERE o.id = t.id AND o.lease = t.lease AND o.status = 0
"""


class Claimed(NamedTuple):
    """A message in a sender's hands, under the claim `lease`."""

    id: int
    message_no: str
    operation: str
    robot_code: str
    group_code: str
    user_code: str
    cause: str
    try_count: int
    by_day_only: bool
    mentions: list[str]
    content: dict[str, Any]
    lease: str


class Claim(NamedTuple):
    """What was taken, and after which id to look next; 0: everything that waits was looked at."""

    messages: list[Claimed]
    after: int


def claim(
    *, at: datetime, after: int = 0, resting: Iterable[str] = (), may_say: bool = True, batch: int = BATCH
) -> Claim:
    """Take the next messages in hand, at most one of each chat, in the order in which they were written.

    `resting` robots are not asked to say anything, none is unless `may_say`; other operations go on.
    """
    lease = str(uuid.uuid4())
    words: dict[str, Any] = {
        "lease": lease,
        "seconds": settings.SENDER_LEASE_SECONDS,
        "at": at,
        "after": after,
        "span": SPAN,
        "resting": list(resting),
        "may_say": may_say,
        "batch": batch,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, words)
        rows = cursor.fetchall()
    return Claim([_claimed(row[1:], lease) for row in rows if row[1] is not None], after=rows[0][0] or 0)


def _claimed(row: tuple[Any, ...], lease: str) -> Claimed:
    *plain, mentions, content = row
    return Claimed._make((*plain, orjson.loads(mentions), orjson.loads(content), lease))


def release(messages: list[Claimed], *, until: datetime | None = None) -> None:
    """Let go of messages that were not asked of the gateway; hold them back until a time, if one is named."""
    if messages:
        words: dict[str, Any] = {
            "ids": [message.id for message in messages],
            "leases": [message.lease for message in messages],
            "until": until,
        }
        with connection.cursor() as cursor:
            cursor.execute(_RELEASE, words)
