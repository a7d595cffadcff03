"""Statuses of deliveries, and their results for the launch system."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from groups import cancelling
from groups.models import CancelReason, Group
from integrations.http import Refused
from launches.models import Delivery, Launch, ResultReport
from launches.tasks import report_results
from robots.models import OutboxMessage
from robots.outbox import failed
from robots.outbox import results as receipts
from robots.outbox.leases import claim_messages
from tests.factories.launches import TEXT_ITEM, launched, reachable
from tests.factories.people import GroupFactory
from tests.support.entry_points import send_due_messages
from tests.support.outbox import fail_messages
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db
PICTURE = {"type": 2, "filePath": "https://example.com/a.png"}


def results(sandbox: Any) -> list[tuple[str, int]]:
    return [(result["groupId"], result["state"]) for result in sandbox.state.launch_results]


def lease(*, seconds: int) -> None:
    """Lease all reports as a worker does that was killed; the lease ends in so many seconds."""
    ResultReport.objects.update(leased_until=timezone.now() + timedelta(seconds=seconds))


def counts(launch: Launch) -> dict[str, int]:
    launch.refresh_from_db()
    names = ("planned", "waiting", "sent", "failed", "skipped")
    return {name: count for name in names if (count := getattr(launch, f"{name}_count"))}


def test_a_delivery_is_sent_when_all_its_messages_are(sandbox: Any):
    launch = launched(reachable(), items=[TEXT_ITEM, PICTURE])
    send_due_messages()
    assert counts(launch) == {"planned": 1, "sent": 1}
    assert launch.status == Launch.Status.FINISHED


def test_a_launch_is_running_while_anything_waits(sandbox: Any):
    launch = launched(reachable(), GroupFactory())  # the gateway does not know the second one's robot
    send_due_messages()
    assert counts(launch) == {"planned": 2, "waiting": 1, "sent": 1}
    assert (launch.status, launch.finished_at) == (Launch.Status.RUNNING, None)


def test_one_failed_message_fails_the_delivery(sandbox: Any):
    launch = launched(reachable(), items=[TEXT_ITEM, PICTURE])
    fail_messages(sandbox)
    assert counts(launch) == {"planned": 1, "failed": 1}


def test_a_delivery_is_sent_and_reported_again_after_an_operators_retry(sandbox: Any):
    group = reachable()
    launch = launched(group)
    fail_messages(sandbox)
    report_results()
    failed.retry_failed(OutboxMessage.objects.failed(), at=timezone.now())
    send_due_messages()
    report_results()
    assert counts(launch) == {"planned": 1, "sent": 1}
    assert results(sandbox) == [(group.code, 2), (group.code, 1)]


def test_a_result_is_reported_by_one_worker_at_a_time(sandbox: Any):
    group = reachable()
    launched(group)
    fail_messages(sandbox)
    lease(seconds=60)
    failed.retry_failed(OutboxMessage.objects.failed(), at=timezone.now())
    send_due_messages()
    assert report_results() == 0
    lease(seconds=0)
    assert report_results() == 1
    assert results(sandbox) == [(group.code, 1)]


def test_a_failed_delivery_has_the_reason_of_the_last_failure(sandbox: Any):
    launched(reachable(), items=[TEXT_ITEM, PICTURE])
    first, second = OutboxMessage.objects.order_by("pk")
    for message, answer in ((first, "502 踢出"), (second, "413 图片太大")):
        OutboxMessage.objects.filter(pk=message.pk).update(attempts=4)
        [leased] = claim_messages(at=timezone.now()).messages
        receipts.finish([receipts.AttemptResult(leased, Refused("gateway", answer))], at=timezone.now())
    failed.retry_failed(OutboxMessage.objects.filter(pk=first.pk), at=timezone.now())
    send_due_messages()
    assert "413 图片太大" in Delivery.objects.get().reason


def test_a_group_cancelled_before_sending_is_skipped(sandbox: Any):
    group = reachable()
    launch = launched(group)
    cancelling.cancel_groups(group_ids=[group.pk], reason=CancelReason.ROBOT_KICKED, by="网关", at=timezone.now())
    send_due_messages()
    assert counts(launch) == {"planned": 1, "skipped": 1}
    assert Delivery.objects.get().reason == "群已注销：机器人被踢"


def test_a_group_cancelled_after_a_message_was_sent_has_failed(sandbox: Any):
    group = reachable()
    launch = launched(group, items=[TEXT_ITEM, PICTURE])
    OutboxMessage.objects.filter(content__type=8).update(is_held=True)
    send_due_messages()
    cancelling.cancel_groups(group_ids=[group.pk], reason=CancelReason.ROBOT_KICKED, by="网关", at=timezone.now())
    assert counts(launch) == {"planned": 1, "failed": 1}


def test_the_launch_system_gets_a_result_for_every_group(sandbox: Any):
    sent, off = reachable(), GroupFactory(launch_switch=False)
    launched(sent, off, GroupFactory.build(code="nobody", user=None, robot=None))
    send_due_messages()
    assert report_results() == 3
    assert sorted(results(sandbox)) == sorted([(sent.code, 1), (off.code, 2), ("nobody", 2)])


def test_each_result_is_reported_once(sandbox: Any):
    launched(GroupFactory(launch_switch=False))
    assert report_results() == 1
    assert report_results() == 0
    assert len(results(sandbox)) == 1


def test_a_result_is_reported_under_the_reference_that_was_received(sandbox: Any):
    group = reachable()
    Group.objects.filter(pk=group.pk).update(launch_switch=False)
    group.code = str(group.pk)
    launched(group)
    report_results()
    assert results(sandbox) == [(str(group.pk), 2)]


def test_a_report_that_failed_keeps_the_reason(sandbox: Any):
    launched(GroupFactory(launch_switch=False))
    set_fault(sandbox, "launch", "error")
    report_results()
    report = ResultReport.objects.get()
    assert (report.attempts, report.leased_until, "500" in report.last_error) == (1, None, True)


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_results_wait_while_the_launch_system_is_unavailable(sandbox: Any, mode: str):
    launched(GroupFactory(launch_switch=False))
    set_fault(sandbox, "launch", mode)
    assert report_results() == 0
    set_fault(sandbox, "launch", "ok")
    assert report_results() == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=11)):
        assert report_results() == 1


def test_attempts_become_rarer_the_longer_the_launch_system_is_unavailable(sandbox: Any):
    launched(GroupFactory(launch_switch=False))
    set_fault(sandbox, "launch")
    for _ in range(12):
        ResultReport.objects.update(next_attempt_at=timezone.now())
        report_results()
    wait = ResultReport.objects.get().next_attempt_at - timezone.now()
    assert timedelta(minutes=59) < wait <= timedelta(hours=1)


def test_a_result_leased_by_a_killed_worker_is_due_again(sandbox: Any):
    launched(GroupFactory(launch_switch=False))
    lease(seconds=60)
    assert report_results() == 0
    lease(seconds=0)
    assert report_results() == 1
