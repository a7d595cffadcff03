"""Statuses of deliveries, derived from their messages whenever one of these is finished, and counts of launches."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, F, Q, Value, When

from config.platform import db
from config.platform.queues import JobStatus
from config.platform.wakeups import start_soon
from launches.launch_intake import SWITCHED_OFF
from launches.models import Delivery, Launch, ResultReport
from robots.models import OutboxMessage, SourceType
from robots.outbox import writing
from robots.signals import FinishedMessage

Status = Delivery.Status
_COLUMNS = {Status.SENT: "sent_count", Status.FAILED: "failed_count", Status.SKIPPED: "skipped_count"}
_CONSTANTS = db.enum_params(message=OutboxMessage.Status, delivery=Status, source=SourceType, job=JobStatus)

# The lock is a statement of its own: the next statement of a second transaction then sees what the first has written.
_LOCK = """
SELECT d.id FROM launches_delivery d
WHERE (d.launch_id, d.group_code) IN (SELECT * FROM unnest(%(launches)s::uuid[], %(codes)s::text[]))
ORDER BY d.id FOR UPDATE OF d
"""
# One failed message fails a delivery. A closed message skips the delivery, or fails it when another message was sent
# already. An operator who closes a failed message does not change the delivery; an operator who retries it may.
#
# A result is reported unless it is the one that the launch system accepted last. A report that is leased keeps its lease until
# the call ends: two calls about one delivery might arrive in the wrong order.
_UPDATE = """
WITH counted AS (
    SELECT d.id, d.launch_id, d.status AS before,
        count(*) FILTER (WHERE o.status = %(message_waiting)s) AS waiting,
        count(*) FILTER (WHERE o.status = %(message_sent)s) AS sent,
        count(*) FILTER (WHERE o.status = %(message_failed)s) AS failed,
        count(*) FILTER (WHERE o.status = %(message_closed)s) AS closed,
        max(o.last_error) FILTER (WHERE o.status = %(message_failed)s) AS failure, max(o.last_error) AS reason
    FROM launches_delivery d
    JOIN robots_outboxmessage o ON o.source_type = %(source_launch)s
        AND o.source_id = d.launch_id::text AND o.group_code = d.group_code
    WHERE d.id = ANY(%(ids)s)
    GROUP BY d.id
), decided AS (
    SELECT *, CASE
        WHEN failed > 0 THEN %(delivery_failed)s
        WHEN waiting > 0 THEN before
        WHEN closed > 0 THEN
            CASE WHEN sent > 0 OR before = %(delivery_failed)s THEN %(delivery_failed)s ELSE %(delivery_skipped)s END
        ELSE %(delivery_sent)s END AS after
    FROM counted
), changed AS (
    UPDATE launches_delivery d
    SET status = after, settled_at = %(at)s,
        reason = CASE WHEN after = %(delivery_sent)s THEN '' ELSE COALESCE(failure, decided.reason) END
    FROM decided WHERE decided.id = d.id AND (after <> before OR failure <> d.reason)
    RETURNING d.id, d.launch_id, before, after
), reopened AS (
    UPDATE launches_resultreport r
    SET status = CASE WHEN is_known THEN %(job_done)s ELSE %(job_waiting)s END,
        finished_at = CASE WHEN is_known THEN r.reported_at END,
        next_attempt_at = %(at)s, attempts = 0, last_error = ''
    FROM (
        SELECT o.delivery_id,
            o.leased_until IS NULL AND o.is_sent IS NOT DISTINCT FROM (c.after = %(delivery_sent)s) AS is_known
        FROM changed c JOIN launches_resultreport o ON o.delivery_id = c.id
    ) t
    WHERE r.delivery_id = t.delivery_id
), created AS (
    INSERT INTO launches_resultreport (delivery_id, status, attempts, next_attempt_at, last_error)
    SELECT c.id, %(job_waiting)s, 0, %(at)s, '' FROM changed c
    WHERE NOT EXISTS (SELECT FROM launches_resultreport r WHERE r.delivery_id = c.id)
)
SELECT launch_id, before, after FROM changed
"""


def update_deliveries_of(messages: Iterable[FinishedMessage], *, at: datetime) -> None:
    """Update the deliveries to which these finished messages belong. Messages of other sources are skipped."""
    mine = {
        (message.source_id, message.group_code) for message in messages if message.source_type == SourceType.LAUNCH
    }
    if not mine:
        return
    with transaction.atomic():
        launches, codes = map(list, zip(*mine, strict=True))
        ids = [pk for pk, *_ in db.rows(_LOCK, {"launches": launches, "codes": codes})]
        changes = [
            change for change in db.rows(_UPDATE, {**_CONSTANTS, "ids": ids, "at": at}) if change[1] != change[2]
        ]
        if changes:
            _count(changes, at)
            start_soon(ResultReport.worker_task)


def skip_switched_off(group_codes: Collection[str], *, at: datetime) -> int:
    """Close unsent messages of launches for these groups, which take no launches any more. Returns how many waited."""
    closing = writing.Closing(SWITCHED_OFF, group_codes=group_codes, source_type=SourceType.LAUNCH)
    return writing.close_messages(closing, at=at)


def skip_switched_off_in_launch(launch: Launch, *, at: datetime) -> int:
    """Close unsent messages for the groups that were switched off while the launch was paused. Returns how many waited."""
    off = launch.deliveries.filter(group__launch_switch=False, status__in=[Status.WAITING, Status.FAILED])
    codes = list(off.values_list("group_code", flat=True))
    return writing.close_messages(writing.Closing(SWITCHED_OFF, group_codes=codes, sources=[launch.source]), at=at)


def _count(changes: Iterable[tuple[UUID, int, int]], at: datetime) -> None:
    """Update the counts of launches, in primary-key order, and finish launches without waiting deliveries."""
    steps: dict[UUID, Counter[str]] = defaultdict(Counter)
    for launch_id, before, after in changes:
        steps[launch_id][_COLUMNS[Status(after)]] += 1
        if before != Status.WAITING:
            steps[launch_id][_COLUMNS[Status(before)]] -= 1
    for launch_id in sorted(steps):
        launches = Launch.objects.filter(pk=launch_id)
        launches.update(**{column: F(column) + step for column, step in steps[launch_id].items()})
        finish_launches(launches, at=at)


def finish_launches(launches: Any, *, at: datetime) -> int:
    """Finish the launches without waiting deliveries. Returns how many.

    A cancelled launch keeps its status, and a paused launch is finished only when it is resumed.
    """
    ended = F("sent_count") + F("failed_count") + F("skipped_count")
    is_cancelled = When(status=Launch.Status.CANCELLED, then=Value(Launch.Status.CANCELLED))
    count: int = launches.filter(Q(planned_count=ended), ~Q(status=Launch.Status.PAUSED), finished_at=None).update(
        finished_at=at, status=Case(is_cancelled, default=Value(Launch.Status.FINISHED))
    )
    return count
