"""Receiving a launch: one statement writes a delivery per group and its messages, however many groups."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from django.db import IntegrityError, transaction

from config.errors import Conflict
from config.platform import db
from config.platform.lookups import as_uuid
from config.platform.queues import JobStatus
from config.platform.wakeups import start_soon
from groups.models import Group
from launches.launch_items import GROUP_PLACEHOLDER, Item, as_received, fingerprint, message_content
from launches.models import Delivery, Launch, ResultReport
from robots.models import Robot
from robots.outbox import writing
from robots.outbox.bulk import group_messages_sql

SWITCHED_OFF = "投放开关已关闭"
Status = Delivery.Status
_CONSTANTS = db.enum_params(delivery=Status, job=JobStatus) | {"working": Robot.WORKING}

# The initial statuses of deliveries with their reasons, numbered from 0 in the statement below (`initial`).
_INITIAL_STATUSES: tuple[tuple[Status, str], ...] = (
    (Status.WAITING, ""),
    (Status.FAILED, "没有这个群"),
    (Status.SKIPPED, "群已注销"),
    (Status.SKIPPED, SWITCHED_OFF),
    (Status.SKIPPED, "机器人不可用"),
)
# The content is JSON, so the group's code is inserted as JSON escapes it.
_MESSAGES = group_messages_sql(
    """
    SELECT f.robot_id, f.group_code, i.place,
        replace(i.content, %(placeholder)s, substr(f.quoted, 2, length(f.quoted) - 2))::jsonb AS content
    FROM created c JOIN found f USING (group_code)
    CROSS JOIN unnest(%(contents)s::text[]) WITH ORDINALITY AS i(content, place)
    WHERE c.status = %(delivery_waiting)s
    """
)
# Groups are locked against being cancelled, in the order in which all code locks them (`groups.locking`).
_CREATE_DELIVERIES = f"""
WITH named AS MATERIALIZED (
    SELECT * FROM unnest(%(codes)s::text[], %(references)s::text[]) AS t(group_code, reference)
), found AS MATERIALIZED (
    SELECT n.group_code, g.id AS group_id, g.user_id, g.robot_id, g.launch_switch,
        r.status IN %(working)s AS robot_works, to_json(n.group_code)::text AS quoted
    FROM named n
    JOIN groups_group g ON g.code = n.group_code AND g.cancelled_at IS NULL
    JOIN robots_robot r ON r.id = g.robot_id
    ORDER BY g.id FOR KEY SHARE OF g
), decided AS (
    SELECT n.group_code, n.reference, f.group_id, f.user_id, CASE
        WHEN f.group_id IS NULL THEN
            CASE WHEN EXISTS (SELECT FROM groups_group g WHERE g.code = n.group_code) THEN 2 ELSE 1 END
        WHEN NOT f.launch_switch THEN 3
        WHEN NOT f.robot_works THEN 4
        ELSE 0 END AS initial
    FROM named n LEFT JOIN found f USING (group_code)
), created AS (
    INSERT INTO launches_delivery (
        launch_id, group_code, reference, group_id, user_id, status, reason, settled_at)
    SELECT
        %(launch)s, group_code, reference, group_id, user_id,
        (%(statuses)s::smallint[])[initial + 1], (%(reasons)s::text[])[initial + 1],
        CASE WHEN initial > 0 THEN %(at)s END
    FROM decided ORDER BY group_id
    RETURNING id, group_code, status
), reports AS (
    INSERT INTO launches_resultreport (delivery_id, status, attempts, next_attempt_at, last_error)
    SELECT id, %(job_waiting)s, 0, %(at)s, '' FROM created WHERE status <> %(delivery_waiting)s
), messages AS ({_MESSAGES})
SELECT status, count(*) FROM created GROUP BY status
"""  # noqa: S608 - constants of this module


class TaskAlreadyReceived(Conflict):
    field = "taskId"
    message = "该任务已接收过，内容或群不同"


def receive_launch(
    *, task_id: str, references: Sequence[str], items: Sequence[Item], by: str, at: datetime
) -> tuple[Launch, bool]:
    """Receive a launch. Returns the launch, and whether it is new.

    Each active group whose switch is on gets every item, in order. Deliveries to other groups end at once, with the reason:
    for an unknown group as failed, for a group that is cancelled, switched off or without a working robot as skipped.
    The same call again changes nothing. Raises TaskAlreadyReceived (1409) for the same task with other content or groups.
    """
    digest = fingerprint(items, references)
    with transaction.atomic():
        try:
            with transaction.atomic():
                launch = _create_launch(task_id, digest, items, by, at)
        except IntegrityError:
            return _existing_launch(task_id, digest), False
        _create_deliveries(launch, references, items, at)
    return launch, True


def _create_launch(task_id: str, digest: str, items: Sequence[Item], by: str, at: datetime) -> Launch:
    """Create the launch, under the id of the task when that is a UUID."""
    return Launch.objects.create(
        id=as_uuid(task_id) or uuid4(),
        task_id=task_id,
        fingerprint=digest,
        items=[as_received(item) for item in items],
        received_at=at,
        received_by=by,
    )


def _existing_launch(task_id: str, digest: str) -> Launch:
    launch = Launch.objects.filter(task_id=task_id).first()
    if launch is None or launch.fingerprint != digest:
        raise TaskAlreadyReceived
    return launch


def _create_deliveries(launch: Launch, references: Sequence[str], items: Sequence[Item], at: datetime) -> None:
    by_code = _by_code(references)
    params = {
        **_CONSTANTS,
        "launch": launch.pk,
        "source_type": launch.source.type.value,
        "source_id": launch.source.id,
        "at": at,
        "placeholder": GROUP_PLACEHOLDER,
        "codes": list(by_code),
        "references": list(by_code.values()),
        "contents": [json.dumps(message_content(item), ensure_ascii=False) for item in items],
        "statuses": [int(status) for status, _ in _INITIAL_STATUSES],
        "reasons": [reason for _, reason in _INITIAL_STATUSES],
    }
    _count(launch, dict(db.rows(_CREATE_DELIVERIES, params)), at)
    writing.notify_senders()
    start_soon(ResultReport.worker_task)


def _by_code(references: Sequence[str]) -> dict[str, str]:
    """Return the caller's reference of each group by the group's code. Ids are looked up; most callers send codes."""
    ids = {reference: found for reference in references if (found := as_uuid(reference))}
    codes = dict(Group.objects.filter(pk__in=ids.values()).values_list("pk", "code")) if ids else {}
    by_code: dict[str, str] = {}
    for reference in references:
        by_code.setdefault(codes.get(ids[reference], reference) if reference in ids else reference, reference)
    return by_code


def _count(launch: Launch, counts: dict[int, int], at: datetime) -> None:
    launch.planned_count = sum(counts.values())
    launch.failed_count = counts.get(Status.FAILED, 0)
    launch.skipped_count = counts.get(Status.SKIPPED, 0)
    if not launch.waiting_count:
        launch.status, launch.finished_at = Launch.Status.FINISHED, at
    launch.save(update_fields=["planned_count", "failed_count", "skipped_count", "status", "finished_at"])
