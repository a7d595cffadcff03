"""Rating 10,000 groups with `POST /groups/star`, against a bare `UPDATE … FROM unnest()`.

The floor gets every value: the groups (by id), their robots and owners, and the finished text of each private message. It
writes the same rows (history, messages, stars and switches), with the same constraints and indexes, in three bare
statements, and commits. Our code is the whole call: it reads and validates the body, finds the groups by their codes among
50,000 and locks them, writes the texts, and searches for low stars. The last line takes the `UPDATE` alone as the floor, so
that it shows the cost of history and messages.
"""

import json
from typing import Any

from django.db import connection, transaction
from django.test import Client
from django.test.utils import override_settings
from django.utils import timezone

from accounts.models import User
from config.api.keys import issue_key
from config.models import Scope
from groups.models import Group
from robots.models import Robot
from tests.benchmarks.bench_launches import NAMED, make_world
from tests.benchmarks.harness import compare, run

_UPDATE = """
UPDATE groups_group g SET star = rated.star, launch_switch = rated.launch_switch
FROM unnest(%(ids)s::uuid[], %(stars)s::smallint[], %(switches)s::bool[]) AS rated(group_id, star, launch_switch)
WHERE g.id = rated.group_id
"""
_HISTORY = """
INSERT INTO groups_starrating (group_id, star, state, rated_at)
SELECT group_id, star, 1, %(at)s FROM unnest(%(ids)s::uuid[], %(stars)s::smallint[]) AS rated(group_id, star)
"""
_MESSAGES = """
INSERT INTO robots_outboxmessage (
    message_no, operation, robot_id, group_code, user_code, ordering_key, mentions, content, source_type, source_id,
    status, is_held, created_at, not_before, next_attempt_at, attempts, last_error)
SELECT gen_random_uuid(), 'send', robot_id, '', code, key, '[]', content, 'star', source_id,
    0, false, %(at)s, %(at)s, %(at)s, 0, ''
FROM unnest(%(robots)s::uuid[], %(codes)s::text[], %(keys)s::text[], %(contents)s::jsonb[], %(users)s::text[])
    AS rated(robot_id, code, key, content, source_id)
"""


def empty() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE groups_starrating, robots_outboxmessage CASCADE")
        cursor.execute("UPDATE groups_group SET star = NULL, launch_switch = true WHERE star IS NOT NULL")
        cursor.execute("VACUUM groups_group")
        cursor.execute("CHECKPOINT")


def main() -> None:
    make_world()
    groups = list(Group.objects.select_related("robot", "user").order_by("code")[:NAMED])
    stars = [2 + number % 4 for number in range(NAMED)]
    body = json.dumps(
        {
            "command": "update_group_star",
            "data": [
                {"groupId": group.code, "state": 1, "star": star} for group, star in zip(groups, stars, strict=True)
            ],
        }
    )
    rated = sorted(zip(groups, stars, strict=True), key=lambda pair: pair[0].pk)
    lines_by_receiver: dict[tuple[Robot, User], list[str]] = {}
    for group, star in rated:
        line = f"群「{group.name}」评为 {star} 星，以后每天的收益按新星级计算。"
        lines_by_receiver.setdefault((group.robot, group.user), []).append(line)
    params: dict[str, Any] = {
        "ids": [group.pk for group, _ in rated],
        "stars": [star for _, star in rated],
        "switches": [star < 4 for _, star in rated],
        "robots": [robot.pk for robot, _ in lines_by_receiver],
        "codes": [user.code for _, user in lines_by_receiver],
        "keys": [f"p:{robot.code}:{user.code}" for robot, user in lines_by_receiver],
        "contents": [
            json.dumps({"type": 3, "content": "\n".join(lines)}, ensure_ascii=False)
            for lines in lines_by_receiver.values()
        ],
        "users": [str(user.pk) for _, user in lines_by_receiver],
        "at": timezone.now(),
    }
    client, headers = Client(), {"X-Api-Key": issue_key("stars", [Scope.STARS_WRITE])}

    def ours() -> None:
        answer = client.post("/groups/star", data=body, content_type="application/json", headers=headers)
        assert answer.json()["code"] == 1200

    def floor() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in (_HISTORY, _MESSAGES, _UPDATE):
                cursor.execute(statement, params)

    def update_alone() -> None:
        with connection.cursor() as cursor:
            cursor.execute(_UPDATE, params)

    with override_settings(ALLOWED_HOSTS=["testserver"]):
        compare("POST /groups/star with 10,000 items", ours=ours, floor=floor, prepare=empty, at_least=0.7)
        compare("the same against the UPDATE alone", ours=ours, floor=update_alone, prepare=empty)


if __name__ == "__main__":
    run(main)
