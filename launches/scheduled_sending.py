"""Scheduled sending of mass messages: when one is due, its messages are written to the outbox."""

import json
import logging
import math
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, transaction
from django.utils import timezone

from config.platform import db
from config.platform.queues import Backoff
from launches.mass_message_results import finish_mass_messages
from launches.models import MassMessage, ScheduledSending
from robots.models import Robot
from robots.outbox import writing
from robots.outbox.bulk import group_messages_sql

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)  # longer than a transaction takes, whose statements wait at most 12 s for a lock
BACKOFF = Backoff(tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300)), max_attempts=5)
Status = MassMessage.Status
_BLOCKED = "账号已被封"
_GONE = "群已注销或机器人不可用"

_MESSAGES = group_messages_sql(
    """
    SELECT o.robot_id, o.group_code, i.content::jsonb AS content, i.place
    FROM open o CROSS JOIN unnest(%(contents)s::text[]) WITH ORDINALITY AS i(content, place)
    """
)
# Groups are locked against being cancelled, in the order in which all code locks them (`groups.locking`).
_WRITE_MESSAGES = f"""
WITH open AS MATERIALIZED (
    SELECT m.id AS part_id, g.robot_id, g.code AS group_code
    FROM launches_massmessagegroup m
    JOIN groups_group g ON g.id = m.group_id AND g.cancelled_at IS NULL
    JOIN robots_robot r ON r.id = g.robot_id AND r.status IN %(working)s
    WHERE m.mass_message_id = %(message)s AND m.status = %(waiting)s
    ORDER BY g.id FOR KEY SHARE OF g
), written AS ({_MESSAGES}), counted AS (
    SELECT group_code, count(*) AS messages FROM written GROUP BY group_code
)
UPDATE launches_massmessagegroup m SET message_count = counted.messages
FROM counted JOIN open USING (group_code) WHERE m.id = open.part_id
"""  # noqa: S608 - constants of this module


def send_due(*, seconds: float = math.inf) -> int:
    """Write the messages of mass messages that are due to the outbox, each once however many workers run this.

    Returns how many mass messages. After `seconds` it begins no further one: at nine in the morning many are due, and each
    takes about 10 ms.
    """
    count, ends_at = 0, time.monotonic() + seconds
    while time.monotonic() < ends_at:
        claimed = ScheduledSending.objects.claim(at=timezone.now(), lease=LEASE, backoff=BACKOFF)
        if not claimed:
            break
        count += _attempt(claimed[0])
    return count


def _attempt(job: ScheduledSending) -> bool:
    """Send a mass message. One that fails is tried again later and delays no other. Returns whether it was sent."""
    try:
        return _send(job, timezone.now())
    except DatabaseError as error:
        logger.exception("A mass message could not be written to the outbox")
        ScheduledSending.objects.retry(
            job, BACKOFF, at=timezone.now(), error=f"没有写入发件箱：{type(error).__name__}"
        )
        return False


def _send(job: ScheduledSending, at: datetime) -> bool:
    with transaction.atomic():
        waiting = MassMessage.objects.filter(pk=job.pk, status=Status.WAITING, queued_at=None)
        message = waiting.select_for_update(of=("self",)).select_related("user").first()
        if message is None or not ScheduledSending.objects.finish(job, at=at):
            return False
        _wait_for_disk_on_commit()
        if not message.user.is_blocked:
            _write_messages(message, at)
        _end_unwritten(message, reason=_BLOCKED if message.user.is_blocked else _GONE, at=at)
    return True


def close_sendings(ids: Iterable[UUID], *, reason: str, at: datetime) -> int:
    """Close these failed and waiting jobs, whose mass messages end as failed. Returns how many there were."""
    return sum(_close(pk, reason, at) for pk in sorted(ids))


def _close(pk: UUID, reason: str, at: datetime) -> int:
    with transaction.atomic():
        message = MassMessage.objects.select_for_update().get(pk=pk)
        closed = ScheduledSending.objects.filter(pk=pk).close(at=at, reason=reason)
        if closed:
            _end_unwritten(message, reason=reason, at=at)
    return closed


def _end_unwritten(message: MassMessage, *, reason: str, at: datetime) -> None:
    """End the parts without messages as failed, and the mass message when no part waits."""
    MassMessage.objects.filter(pk=message.pk).update(queued_at=at)
    message.groups.filter(message_count=0).update(status=Status.FAILED, settled_at=at, reason=reason)
    finish_mass_messages([message.pk])


def _wait_for_disk_on_commit() -> None:
    """Have the commit wait for the disk, for which the sessions of senders do not wait otherwise.

    After a crash of the database, a commit that was lost would send the whole mass message again.
    """
    db.execute("SET LOCAL synchronous_commit TO on")


def _write_messages(message: MassMessage, at: datetime) -> None:
    params = {
        "working": Robot.WORKING,
        "waiting": Status.WAITING,
        "message": message.pk,
        "contents": [json.dumps(content, ensure_ascii=False) for content in message.contents],
        "source_type": message.source.type.value,
        "source_id": message.source.id,
        "at": at,
    }
    db.execute(_WRITE_MESSAGES, params)
    writing.notify_senders()
