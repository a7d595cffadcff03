"""A worker is killed at random while it handles gateway events: every event has its effects exactly once."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from groups.models import Group, GroupMessage, Member, MemberMove, Mention
from integrations.gateway import inbox
from integrations.models import GatewayEvent
from keywords.models import KeywordBatch
from robots.models import OutboxMessage
from tests.factories.people import GroupFactory, RobotFactory, UserFactory, days_ago
from tests.support.client import ApiClient
from tests.support.group_messages import group_message
from tests.support.killable import Killable

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("processes"),
]
KILLS, FURTHEST = 30, 60  # sixty steps are a few events
GROUPS, MESSAGES, PEOPLE = 3, 100, 12
Status = GatewayEvent.Status


@pytest.fixture
def worker(settings: Any) -> Iterator[Killable]:
    killable = Killable(connection.settings_dict["NAME"], tasks="integrations.tasks", RUN_DIR=str(settings.RUN_DIR))
    yield killable
    killable.close()


def random_commands() -> list[tuple[str, Any]]:
    """Return events in which people join three groups, send a keyword, mention the owner, and add the robot."""
    alice, robot = UserFactory(code="wx-alice"), RobotFactory(code="r1")
    for number in range(GROUPS):
        GroupFactory(code=f"g{number}", user=alice, robot=robot, bound_at=days_ago(1))
    keywords = {"group_codes": "g0,g1,g2", "keywords": ["价格"], "reply_content": "十元"}
    assert ApiClient(alice).post("/keywords", keywords)["code"] == 1200
    commands: list[tuple[str, Any]] = []
    for number in range(PEOPLE):
        commands.append(("robot_added", {"robot_id": "r1", "user_id": f"new{number}", "nickname": "新"}))
        commands.append(("join_group", {"group_id": f"g{number % GROUPS}", "user_id": f"p{number}"}))
    commands += [
        group_message("价格", group=f"g{number % GROUPS}", by=f"p{number}", at_users=["wx-alice"])
        for number in range(MESSAGES)
    ]
    random.Random(20261124).shuffle(commands)
    return commands


def effects() -> dict[str, int]:
    """Return how many rows each command has created."""
    return {
        "group_message": GroupMessage.objects.count(),
        "join_group": MemberMove.objects.count(),
        "robot_added": User.objects.filter(code__startswith="new").count(),
    }


def handled_counts() -> dict[str, int]:
    handled = GatewayEvent.objects.filter(status=Status.HANDLED)
    return {command: handled.filter(command=command).count() for command in effects()}


def test_a_worker_killed_at_random_does_everything_once(worker: Killable):
    commands = random_commands()
    events = [{"event_id": f"e{n}", "command": command, "body": body} for n, (command, body) in enumerate(commands)]
    inbox.store(events, at=timezone.now())
    chance = random.Random(1)
    kills = sum(worker.run(("handle_events", chance.randint(1, FURTHEST)))[0][0] for _ in range(KILLS))
    assert handled_counts() == effects()
    assert 0 < GatewayEvent.objects.filter(status=Status.WAITING).count() < len(commands)
    finish(worker)
    assert kills == KILLS
    assert effects() == handled_counts() == {"group_message": MESSAGES, "join_group": PEOPLE, "robot_added": PEOPLE}
    assert Member.objects.count() == Group.objects.aggregate(sum=Sum("member_count"))["sum"] == PEOPLE
    assert KeywordBatch.objects.get().trigger_count == Mention.objects.count() == MESSAGES
    sources = OutboxMessage.objects.filter(operation="send").values_list("source_type", "source_id")
    counts = Counter(source_type for source_type, _ in sources)
    assert (counts["keyword"], counts["robot_added"]) == (MESSAGES, PEOPLE)
    assert len(sources) == len(set(sources))


def finish(worker: Killable) -> None:
    """Handle the remaining events. PostgreSQL may need a moment until it unlocks the rows of a killed worker."""
    until = time.monotonic() + 30
    while GatewayEvent.objects.filter(status=Status.WAITING).exists():
        assert time.monotonic() < until, "events stay behind"
        worker.run(("handle_events", 0))
