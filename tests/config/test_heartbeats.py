"""Heartbeats: which processes work is seen on the dashboard and on the page of the queues."""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from celery.signals import task_postrun, worker_ready
from django.utils import timezone

from config.platform import heartbeats
from config.platform.heartbeats import Heartbeat, Process
from tests.support.admin_pages import Operator

pytestmark = pytest.mark.django_db
CARD = "停止的进程"


def all_work(**seconds_ago: int) -> None:
    """Record that every kind of process works, some of them this many seconds ago."""
    for process in Process:
        at = timezone.now() - timedelta(seconds=seconds_ago.get(process.value, 1))
        heartbeats.record(process, at=at)


def seen_within(process: Process, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if heartbeats.last_seen()[process] is not None:
            return True
        time.sleep(0.02)
    return False


def test_a_process_that_stopped_working_is_urgent(root: Operator):
    all_work(beat=90)
    page = root.page("")
    assert f"<strong>1</strong><span>{CARD}</span><small>定时任务（" in page
    assert '<span class="label bad">定时任务</span>' in root.page("queues/")


def test_nothing_is_missing_while_all_work(root: Operator):
    all_work()
    assert f"<span>{CARD}</span>" not in root.page("")
    assert "label bad" not in root.page("queues/")


def test_a_process_that_never_ran_is_missing(root: Operator):
    assert f"<strong>3</strong><span>{CARD}</span>" in root.page("")
    assert "从未运行" in root.page("queues/")


def test_a_process_that_does_no_work_has_no_heartbeat():
    heartbeat = Heartbeat(Process.SENDER)
    heartbeat.start()
    assert not seen_within(Process.SENDER, 0.3)
    heartbeat.work_done()
    assert seen_within(Process.SENDER, 5)


def test_a_worker_has_a_heartbeat_from_its_first_moment():
    worker_ready.send(None)
    assert seen_within(Process.WORKER, 5)
    task_postrun.send(None, task=SimpleNamespace(name="tests.a_task"))
