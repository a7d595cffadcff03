"""Receiving a launch of 10,000 groups, against two bare `INSERT … SELECT … FROM unnest()` of the same rows.

The floor gets every value that it writes: the groups' users and robots, and the finished content of each message. It checks
and decides nothing; it writes the same deliveries and messages in the same order, with the same constraints and indexes, and
commits. Our function finds the groups among 50,000, locks them against being cancelled, checks switches and robots, puts
codes into links and counts. The last line measures the whole HTTP call.
"""

import json
import uuid
from typing import Any

from django.db import connection, transaction
from django.test.utils import override_settings
from django.utils import timezone

from accounts.models import User
from config.models import Scope
from groups.models import Group
from launches import launch_intake
from robots.models import Robot
from tests.benchmarks.harness import compare, run
from tests.support.entry_points import key_with

GROUPS, NAMED, ROBOTS, USERS = 50_000, 10_000, 2_000, 500
LINK = {
    "type": 3,
    "title": "周末特卖，全场五折起",
    "content": "点进来看看这周的好东西",
    "url": "https://example.com/landing?source=robots&group={groupId}",
}
_FLOOR_DELIVERIES = """
INSERT INTO launches_delivery (
    launch_id, group_code, reference, group_id, user_id, status, reason, settled_at)
SELECT %(launch)s, code, code, group_id, user_id, 0, '', NULL
FROM unnest(%(codes)s::text[], %(groups)s::uuid[], %(users)s::uuid[]) AS t(code, group_id, user_id)
"""
_FLOOR_MESSAGES = """
INSERT INTO robots_outboxmessage (
    message_no, operation, robot_id, group_code, user_code, ordering_key, mentions, content, source_type, source_id,
    status, is_held, created_at, not_before, next_attempt_at, attempts, last_error)
SELECT gen_random_uuid(), 'send', robot_id, code, '', 'g:' || code, '[]', content, 'launch', %(launch)s,
    0, false, %(at)s, %(at)s, %(at)s, 0, ''
FROM unnest(%(group_codes)s::text[], %(robots)s::uuid[], %(contents)s::jsonb[]) AS t(code, robot_id, content)
"""
_FLOOR_LAUNCH = """
INSERT INTO launches_launch (
    id, task_id, fingerprint, items, status, received_at, received_by, planned_count, sent_count, failed_count,
    skipped_count, paused_by, cancelled_by, cancel_reason)
VALUES (%(launch)s, %(task)s, '', %(items)s, 1, %(at)s, 'floor', %(count)s, 0, 0, 0, '', '', '')
"""


def make_world() -> list[tuple[Any, ...]]:
    """Return (code, group, user, robot) of the groups that are named, in primary-key order."""
    now = timezone.now()
    robots = Robot.objects.bulk_create(Robot(code=f"robot-{n}", name=f"小助手{n}") for n in range(ROBOTS))
    users = User.objects.bulk_create(
        User(code=f"wx-user-{n}", nickname=f"用户{n}", union_id=f"union-{n}") for n in range(USERS)
    )
    Group.objects.bulk_create(
        Group(
            code=f"{10_000_000_000 + n}@chatroom",
            name=f"群{n}",
            user=users[n % USERS],
            robot=robots[n % ROBOTS],
            bound_at=now,
        )
        for n in range(GROUPS)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    named = Group.objects.order_by("code")[:NAMED].values_list("code", "pk", "user_id", "robot_id")
    return sorted(named, key=lambda row: row[1])


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE launches_launch, launches_delivery, robots_outboxmessage CASCADE")
        cursor.execute("CHECKPOINT")


def main() -> None:
    rows = make_world()
    codes, groups, users, _ = (list(column) for column in zip(*rows, strict=True))
    group_codes, _, _, robots = (list(column) for column in zip(*sorted(rows), strict=True))
    message = {"type": 6, "title": LINK["title"], "url": "", "desc": LINK["content"]}
    contents = [
        json.dumps(message | {"url": LINK["url"].replace("{groupId}", code)}, ensure_ascii=False)
        for code in group_codes
    ]
    client = key_with(Scope.LAUNCHES_WRITE)

    def ours() -> None:
        now = timezone.now()
        launch_intake.receive_launch(task_id=str(uuid.uuid4()), references=codes, items=[LINK], by="bench", at=now)

    def whole_call() -> None:
        body = {"taskId": str(uuid.uuid4()), "groupIds": codes, "content": {"items": [LINK]}}
        assert client.post("/task/receive", body)["code"] == 1200

    def floor() -> None:
        launch = uuid.uuid4()
        params: dict[str, Any] = {
            "launch": launch,
            "task": str(launch),
            "items": json.dumps([LINK]),
            "at": timezone.now(),
            "count": len(codes),
            "codes": codes,
            "group_codes": group_codes,
            "groups": groups,
            "users": users,
            "robots": robots,
            "contents": contents,
        }
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in (_FLOOR_LAUNCH, _FLOOR_DELIVERIES, _FLOOR_MESSAGES):
                cursor.execute(statement, params)

    compare("receiving a launch of 10,000 groups", ours=ours, floor=floor, prepare=empty, at_least=0.8)
    with override_settings(ALLOWED_HOSTS=["testserver"]):
        compare("the same as a call over HTTP", ours=whole_call, floor=floor, prepare=empty)


if __name__ == "__main__":
    run(main)
