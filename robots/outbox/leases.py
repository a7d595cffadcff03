"""Leases of messages: claiming the messages that may be sent now, and releasing them.

A claim commits a lease before the gateway is called, so no lock is held during the call. The lease covers the rate limit, up
to a second of waiting for a slot, the call, and storing the result: the settings refuse a SENDER_LEASE_SECONDS that is not
five seconds longer than GATEWAY_TIMEOUT. The messages of a killed sender are claimed again when their lease has ended, and
sent under the same `message_no`. Leases use PostgreSQL's clock, the only one that all senders share.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.conf import settings

from config.platform import db
from robots.models import OutboxMessage, Robot

BATCH = 200
WINDOW = 2_000  # waiting messages that one claim reads, so that its cost does not depend on how many wait
Operation = OutboxMessage.Operation
_CONSTANTS = db.enum_params(message=OutboxMessage.Status, operation=Operation) | {"working": Robot.WORKING}


class ClaimedMessage(NamedTuple):
    """A message that a sender has claimed under `lease`. A claim returns the columns that are fields here."""

    id: int
    message_no: str
    operation: str
    robot_code: str
    group_code: str
    user_code: str
    source_type: str
    source_id: str
    attempts: int
    by_day_only: bool
    mentions: list[str]
    content: dict[str, Any]
    lease: str


# The text of UUIDs and JSON is read faster than the values that psycopg2 would make of it.
_EXPRESSIONS = {
    "message_no": "o.message_no::text",
    "robot_code": "r.code",
    "mentions": "o.mentions::text",
    "content": "o.content::text",
}
_COLUMNS = ", ".join(_EXPRESSIONS.get(name, f"o.{name}") for name in ClaimedMessage._fields if name != "lease")

# A claim takes the first sendable message of each ordering key, if it is due. Later messages of the key wait for it, also while
# it is leased. A message with a later `not_before` does not delay the others. Removed and banned robots send nothing.
#
# The planner's statistics are of no use, because the queue was empty when they were collected. Therefore the robot and the
# first message of a key are scalar subqueries: PostgreSQL cannot convert them to joins, so it scans the messages in the
# order of their ids and stops when the batch is full. The condition for the first message is `is_sendable`, because only
# the partial index by ordering key has that condition; with another one the planner may choose a slower partial index.
#
# VACUUM records that the partial indexes of waiting messages are empty. From then on the planner combines two of them in a
# bitmap and sorts: it then checks all messages of the window (15,000 pages) instead of stopping when the batch is full
# (4,000). Therefore bitmap scans are switched off.
_CLAIM = f"""
SET LOCAL enable_bitmapscan = off;
WITH scan_window AS MATERIALIZED (
    SELECT (SELECT id FROM robots_outboxmessage WHERE status = %(message_waiting)s AND NOT is_held AND id > %(after)s
            ORDER BY id OFFSET %(window)s - 1 LIMIT 1) AS last
), found AS MATERIALIZED (
    SELECT m.id, m.robot_id FROM robots_outboxmessage m
    WHERE m.status = %(message_waiting)s AND NOT m.is_held AND m.id > %(after)s
      AND m.id <= COALESCE((SELECT last FROM scan_window), 9223372036854775807)
      AND m.not_before <= %(at)s AND m.next_attempt_at <= %(at)s
      AND (m.leased_until IS NULL OR m.leased_until < clock_timestamp())
      AND (SELECT r.status IN %(working)s
                  AND (m.operation <> %(operation_send)s OR %(may_send)s AND r.code <> ALL(%(limited_robots)s::text[]))
           FROM robots_robot r WHERE r.id = m.robot_id)
      AND m.id = (
          SELECT first.id FROM robots_outboxmessage first
          WHERE first.is_sendable AND first.ordering_key = m.ordering_key AND first.not_before <= %(at)s
          ORDER BY first.id LIMIT 1)
    ORDER BY m.id LIMIT %(batch)s
    FOR UPDATE OF m SKIP LOCKED
), claimed AS (
    UPDATE robots_outboxmessage o
    SET lease = %(lease)s::uuid, leased_until = clock_timestamp() + %(seconds)s * interval '1 second'
    FROM found JOIN robots_robot r ON r.id = found.robot_id WHERE o.id = found.id
    RETURNING {_COLUMNS}
), progress AS (
    SELECT CASE WHEN (SELECT count(*) FROM found) = %(batch)s THEN (SELECT max(id) FROM found)
                ELSE (SELECT last FROM scan_window) END AS next_after
)
SELECT progress.next_after, claimed.* FROM progress LEFT JOIN claimed ON true ORDER BY claimed.id
"""  # noqa: S608 - constants of this module

_RELEASE = """
UPDATE robots_outboxmessage o
SET lease = NULL, leased_until = NULL, not_before = COALESCE(%(until)s::timestamptz, o.not_before)
FROM unnest(%(ids)s::bigint[], %(leases)s::uuid[]) AS t(id, lease)
WHERE o.id = t.id AND o.lease = t.lease AND o.status = %(message_waiting)s
"""


class MessageClaim(NamedTuple):
    """The claimed messages, and the id after which the next claim begins; 0 when all waiting messages were read."""

    messages: list[ClaimedMessage]
    after: int


def claim_messages(
    *,
    at: datetime,
    after: int = 0,
    limited_robots: Iterable[str] = (),
    may_send: bool = True,
    batch: int = BATCH,
) -> MessageClaim:
    """Claim the next messages behind `after`, at most one of each ordering key, in the order in which they were written.

    Leaves out the SEND messages of `limited_robots`, and every SEND message unless `may_send`. Other operations are claimed
    in any case.
    """
    lease = str(uuid.uuid4())
    params = {
        **_CONSTANTS,
        "lease": lease,
        "seconds": settings.SENDER_LEASE_SECONDS,
        "at": at,
        "after": after,
        "window": WINDOW,
        "limited_robots": list(limited_robots),
        "may_send": may_send,
        "batch": batch,
    }
    rows = db.rows(_CLAIM, params)
    return MessageClaim([_claimed(row[1:], lease) for row in rows if row[1] is not None], after=rows[0][0] or 0)


def _claimed(row: tuple[Any, ...], lease: str) -> ClaimedMessage:
    *plain, mentions, content = row
    return ClaimedMessage._make((*plain, orjson.loads(mentions), orjson.loads(content), lease))


def release(messages: list[ClaimedMessage], *, until: datetime | None = None) -> None:
    """End the leases of messages that were not submitted to the gateway. `until` sets their `not_before`."""
    if messages:
        params = {
            **_CONSTANTS,
            "ids": [message.id for message in messages],
            "leases": [message.lease for message in messages],
            "until": until,
        }
        db.execute(_RELEASE, params)
