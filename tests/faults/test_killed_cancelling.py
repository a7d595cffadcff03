"""A process that cancels ten thousand groups is killed half-way; a second one finishes the job in little memory."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from groups.models import CancelJob, Group
from robots.models import MAX_GROUPS, OutboxMessage, Robot, SourceType
from tests.factories.people import UserFactory
from tests.support.processes import log_of, start_process

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("processes"),
]
GROUPS = 334 * MAX_GROUPS  # ten thousand
MEMORY_MIB = 40  # the limit for the job, beyond the memory of an idle command


@pytest.fixture
def groups_file(tmp_path: Path) -> Path:
    """Create ten thousand groups of full robots, each with a waiting message. Returns a file with their codes."""
    user, now = UserFactory(), timezone.now()
    robots = Robot.objects.bulk_create(
        [Robot(code=f"r{n}", name="r", group_count=MAX_GROUPS) for n in range(GROUPS // MAX_GROUPS)]
    )
    groups = Group.objects.bulk_create(
        Group(code=f"g{n}", name="g", user=user, robot=robots[n // MAX_GROUPS], bound_at=now) for n in range(GROUPS)
    )
    OutboxMessage.objects.bulk_create(
        OutboxMessage(
            robot_id=group.robot_id,
            group_code=group.code,
            ordering_key=f"g:{group.code}",
            content={"type": 3, "content": "hello"},
            source_type=SourceType.LAUNCH,
            source_id=str(uuid4()),
            created_at=now,
            not_before=now,
            next_attempt_at=now,
        )
        for group in groups
    )
    file = tmp_path / f"{uuid4()}.txt"
    file.write_text("\n".join(group.code for group in groups))
    return file


_COMMAND = """
import os, resource, sys
import django
from django.core.management import call_command
from django.db import connections
django.setup()
connections["default"].settings_dict["NAME"] = os.environ["TEST_DATABASE"]
call_command(*sys.argv[1:])
print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def start(settings: Any, *args: str) -> subprocess.Popen:
    """Start a command as a process of its own, on the database of the tests."""
    database = {"TEST_DATABASE": connection.settings_dict["NAME"], "RUN_DIR": str(settings.RUN_DIR)}
    return start_process(
        [sys.executable, "-c", _COMMAND, *args],
        args[0],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **database},
    )


def peak_of(process: subprocess.Popen) -> int:
    """Wait for the end of the process. Returns its peak memory in MiB."""
    process.wait(120)
    log = log_of(process)
    assert process.returncode == 0, log
    return int(re.search(r"peak (\d+)", log).group(1))


def test_a_killed_run_is_finished_by_the_next_in_bounded_memory(groups_file: Path, settings: Any):
    first = start(settings, "cancel_groups", "--file", str(groups_file))
    deadline = time.monotonic() + 60
    while not CancelJob.objects.filter(position__gt=0).exists():
        assert first.poll() is None, log_of(first)
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.wait()
    job = CancelJob.objects.get()
    assert 0 < job.position < GROUPS
    assert Group.objects.active().count() == GROUPS - job.cancelled_count == GROUPS - job.position

    CancelJob.objects.update(leased_until=timezone.now())  # as if a minute had passed
    idle = peak_of(start(settings, "cancel_groups", "nobody"))
    assert peak_of(start(settings, "cancel_groups", "--resume")) < idle + MEMORY_MIB
    assert not Group.objects.active().exists()
    assert set(Robot.objects.values_list("group_count", flat=True)) == {0}
    assert OutboxMessage.objects.filter(operation="unbind_group").count() == GROUPS
    assert not OutboxMessage.objects.waiting().filter(operation="send").exists()
