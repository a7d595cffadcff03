"""Launches and mass messages whose senders are killed, and which operators pause, resume and cancel: no message is lost or doubled."""

import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import Popen
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from launches import launch_control
from launches.models import Delivery, Launch, MassMessage
from launches.tasks import report_results
from robots.models import OutboxMessage
from tests.factories.launches import PICTURE, launched, scheduled
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.processes import start_process
from tests.support.product import wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("processes"),
]
GROUPS, ROBOTS = 30, 5
ITEMS = [{"type": 1, "content": f"第 {number} 条"} for number in (1, 2, 3)]
_COMMAND = """
import os, sys
import django
from django.core.management import call_command
from django.db import connections
django.setup()
connections["default"].settings_dict["NAME"] = os.environ["TEST_DATABASE"]
call_command("send")
"""


def launch_of(items: list[dict[str, Any]]) -> Launch:
    """Create a launch to groups of the sandbox's five robots."""
    robots = [RobotFactory(code=f"sandbox-robot-{number + 1}") for number in range(ROBOTS)]
    return launched(*(GroupFactory(robot=robots[n % ROBOTS]) for n in range(GROUPS)), items=items)


@contextmanager
def sender(settings: Any, sandbox: Any, rate: int = 100_000) -> "Iterator[Popen[str]]":
    """Run a sender as a process of its own, and kill it at the end of the block."""
    variables = {
        "TEST_DATABASE": connection.settings_dict["NAME"],
        "RUN_DIR": str(settings.RUN_DIR),
        "REDIS_URL": settings.REDIS_URL,
        "GATEWAY_BASE_URL": sandbox.url,
        "ROBOT_MESSAGES_PER_MINUTE": str(rate),
        "SENDER_CONCURRENCY": "4",
    }
    process = start_process(
        [sys.executable, "-c", _COMMAND],
        "sender",
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **variables},
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        OutboxMessage.objects.filter(leased_until__isnull=False).update(leased_until=timezone.now())  # time passes


def sent() -> int:
    return OutboxMessage.objects.filter(status=OutboxMessage.Status.SENT).count()


def received(sandbox: Any) -> dict[str, list[str]]:
    """Return the messages of each group in the order in which they first came."""
    contents = defaultdict(list)
    for message in list(sandbox.state.messages.values()):
        contents[message["group_id"]].append(message["content"])
    return contents


def test_a_launch_that_is_paused_resumed_and_killed_repeatedly_sends_each_message_once_in_order(
    sandbox: Any, settings: Any
):
    launch = launch_of(ITEMS)
    for rate in (4, 8):
        with sender(settings, sandbox, rate):
            wait_for(lambda rate=rate: sent() == rate * ROBOTS, 90, every=0.01)
            assert launch_control.pause_launch(launch=launch, by="wang", at=timezone.now())
        with sender(settings, sandbox, rate=1000):
            time.sleep(2)  # long enough to send a message that is not paused
            assert sent() == rate * ROBOTS
        assert launch_control.resume_launch(launch=launch, at=timezone.now())
    while Launch.objects.get().status != Launch.Status.FINISHED:
        before = sent()
        with sender(settings, sandbox):
            wait_for(lambda before=before: sent() > before, 90, every=0.01)
    whole = [item["content"] for item in ITEMS]
    assert list(received(sandbox).values()) == [whole] * GROUPS
    assert Launch.objects.get().sent_count == GROUPS


def test_a_picture_and_its_text_reach_every_group_once_and_in_order_through_kills(sandbox: Any, settings: Any):
    alice, robot = UserFactory(), RobotFactory(code="sandbox-robot-1")
    groups = [GroupFactory(user=alice, robot=robot) for _ in range(GROUPS)]
    message = scheduled(alice, *groups, send_at=timezone.now(), text="周末有活动")
    while MassMessage.objects.get().status == MassMessage.Status.WAITING:
        before = sent()
        with sender(settings, sandbox):
            wait_for(lambda before=before: sent() > before, 90, every=0.01)
    assert list(received(sandbox).values()) == [[PICTURE["content"], "周末有活动"]] * GROUPS
    assert OutboxMessage.objects.of_source(message.source).count() == 2 * GROUPS
    assert set(message.groups.values_list("status", "message_count")) == {(MassMessage.Status.SENT, 2)}


def test_a_launch_cancelled_while_it_is_sent_reports_the_groups_that_received_it(sandbox: Any, settings: Any):
    launch = launch_of(ITEMS[:1])
    with sender(settings, sandbox, rate=4):
        wait_for(lambda: sent() == 4 * ROBOTS, 90, every=0.01)
        assert launch_control.cancel_launch(launch=launch, by="wang", reason="广告主要求", at=timezone.now())
    with sender(settings, sandbox):
        time.sleep(2)  # long enough to send a message that is not closed
    report_results()
    launch.refresh_from_db()
    counts = (launch.waiting_count, launch.sent_count, launch.skipped_count)
    assert counts == (0, 4 * ROBOTS, GROUPS - 4 * ROBOTS)
    reported = {result["groupId"]: result["state"] for result in sandbox.state.launch_results}
    assert reported == dict.fromkeys(Delivery.objects.values_list("group_code", flat=True), 2) | dict.fromkeys(
        received(sandbox), 1
    )
