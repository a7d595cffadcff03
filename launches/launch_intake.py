"""Taking a launch on: the task, a delivery per group and its messages, in one go however many groups."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import IntegrityError, connection, transaction

from config.errors import Conflict
from config.platform.lookups import as_uuid
from config.platform.wakeups import start_soon
from groups.models import Group
from launches.launch_items import GROUP_PLACEHOLDER, Item, as_received, fingerprint, message_content
from launches.models import Delivery, Launch
from robots.outbox import writing
from robots.outbox.bulk import saying

REPORT_RESULTS = "launches.tasks.report_results"
SWITCHED_OFF = "投放开关已关闭"
Status = Delivery.Status

# What becomes of each group that is named, in the numbers of the statement below.
_INITIAL_STATUSES: tuple[tuple[Status, str], ...] = (
    (Status.WAITING, ""),
    (Status.FAILED, "没有这个群"),
    (Status.SKIPPED, "群已注销"),
    (Status.SKIPPED, SWITCHED_OFF),
    (Status.SKIPPED, "机器人不可用"),
)
# The code stands in JSON, so it is put in as JSON writes it.
_MESSAGES = saying(
    """
    SELECT f.robot_id, f.group_code, i.place,
        replace(i.content, %(placeholder)s, substr(f.quoted, 2, length(f.quoted) - 2))::jsonb AS content
    FROM planned p JOIN found f USING (group_code)
    CROSS JOIN unnest(%(contents)s::text[]) WITH ORDINALITY AS i(content, place)
    WHERE p.status = 0
    """
)
# Groups are locked against being cancelled meanwhile, in the order in which everybody locks them.
_CREATE_DELIVERIES = f"""
WITH named AS MATERIALIZED (
    SELECT * FROM unnest(%(codes)s::text[], %(references)s::text[]) AS t(group_code, reference)
), found AS MATERIALIZED (
    SELECT n.group_code, g.id AS group_id, g.user_id, g.robot_id, g.launch_switch,
        r.status IN (1, 2) AS robot_works, to_json(n.group_code)::text AS quoted
    FROM named n
    JOIN groups_group g ON g.code = n.group_code AND g.cancelled_at IS NULL
    JOIN robots_robot r ON r.id = g.robot_id
    ORDER BY g.id FOR KEY SHARE OF g
), judged AS (
    SELECT n.group_code, n.reference, f.group_id, f.user_id, CASE
        WHEN f.group_id IS NULL THEN
            CASE WHEN EXISTS (SELECT FROM groups_group g WHERE g.code = n.group_code) THEN 2 ELSE 1 END
        WHEN NOT f.launch_switch THEN 3
        WHEN NOT f.robot_works THEN 4
        ELSE 0 END AS verdict
    FROM named n LEFT JOIN found f USING (group_code)
), planned AS (
    INSERT INTO launches_delivery (
        launch_id, group_code, reference, group_id, user_id, status, reason,
        settled_at, result_due_at, result_try_count)
    SELECT
        %(launch)s, group_code, reference, group_id, user_id,
        (%(statuses)s::smallint[])[verdict + 1], (%(reasons)s::text[])[verdict + 1],
        CASE WHEN verdict > 0 THEN %(at)s END, CASE WHEN verdict > 0 THEN %(at)s END, 0
    FROM judged ORDER BY group_id
    RETURNING group_code, status
), said AS ({_MESSAGES})
SELECT status, count(*) FROM planned GROUP BY status
"""  # noqa: S608 - all of it is written here


class TaskAlreadyReceived(Conflict):
    field = "taskId"
    message = "该任务已接收过，内容或群不同"


def receive_launch(
    *, task_id: str, references: Sequence[str], items: Sequence[Item], by: str, at: datetime
) -> tuple[Launch, bool]:
    """Take a launch on; (the launch, whether it is new). The same call again changes nothing, another one is 1409.

    Each active group whose switch is on gets every item, in order. The others end at once, with the reason: a group
    that nobody knows has failed, one that is cancelled, switched off or without a working robot is skipped.
    """
    mark = fingerprint(items, references)
    with transaction.atomic():
        try:
            with transaction.atomic():
                launch = _create_launch(task_id, mark, items, by, at)
        except IntegrityError:
            return _existing_launch(task_id, mark), False
        _create_deliveries(launch, references, items, at)
    return launch, True


def _create_launch(task_id: str, mark: str, items: Sequence[Item], by: str, at: datetime) -> Launch:
    """A launch system that numbers its tasks with UUIDs meets the same ids here."""
    return Launch.objects.create(
        id=as_uuid(task_id) or uuid4(),
        task_id=task_id,
        fingerprint=mark,
        items=[as_received(item) for item in items],
        received_at=at,
        received_by=by,
    )


def _existing_launch(task_id: str, mark: str) -> Launch:
    launch = Launch.objects.filter(task_id=task_id).first()
    if launch is None or launch.fingerprint != mark:
        raise TaskAlreadyReceived
    return launch


def _create_deliveries(launch: Launch, references: Sequence[str], items: Sequence[Item], at: datetime) -> None:
    by_code = _by_code(references)
    words: dict[str, Any] = {
        "launch": launch.pk,
        "cause": launch.cause,
        "at": at,
        "placeholder": GROUP_PLACEHOLDER,
        "codes": list(by_code),
        "references": list(by_code.values()),
        "contents": [json.dumps(message_content(item), ensure_ascii=False) for item in items],
        "statuses": [int(status) for status, _ in _INITIAL_STATUSES],
        "reasons": [reason for _, reason in _INITIAL_STATUSES],
    }
    with connection.cursor() as cursor:
        cursor.execute(_CREATE_DELIVERIES, words)
        _count(launch, dict(cursor.fetchall()), at)
    writing.notify_senders()
    start_soon(REPORT_RESULTS)


def _by_code(references: Sequence[str]) -> dict[str, str]:
    """Each group once, by its code: what the caller calls it. Most callers say codes; ids are looked up."""
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
