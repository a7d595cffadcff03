"""How a launch goes, and what the launch system hears of it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from groups import cancelling
from groups.models import CancelReason, Group
from integrations.http import Refused
from launches.models import Delivery, Launch
from launches.results import LEASED_AT_ONCE
from launches.tasks import report_results
from robots.models import OutboxMessage
from robots.outbox import failed
from robots.outbox import results as receipts
from robots.outbox.leases import claim
from tests.factories.launches import WORDS, launched, reachable
from tests.factories.people import GroupFactory
from tests.support.entry_points import send_due_messages

pytestmark = pytest.mark.django_db
PICTURE = {"type": 2, "filePath": "https://example.com/a.png"}


def results(sandbox: Any) -> list[tuple[str, int]]:
    return [(told["groupId"], told["state"]) for told in sandbox.state.launch_results]


def break_down(sandbox: Any, system: str, mode: str = "error") -> None:
    sandbox.state.note("fault", system=system, mode=mode, rate=1.0)


def give_up(sandbox: Any) -> None:
    """The gateway refuses five times; then it works again."""
    break_down(sandbox, "gateway")
    for _ in range(5):
        OutboxMessage.objects.waiting().update(retry_at=timezone.now())
        send_due_messages()
    break_down(sandbox, "gateway", "ok")


def counts(launch: Launch) -> dict[str, int]:
    launch.refresh_from_db()
    names = ("planned", "waiting", "sent", "failed", "skipped")
    return {name: count for name in names if (count := getattr(launch, f"{name}_count"))}


def test_a_delivery_is_sent_when_all_its_messages_are(sandbox: Any):
    launch = launched(reachable(), items=[WORDS, PICTURE])
    send_due_messages()
    assert counts(launch) == {"planned": 1, "sent": 1}
    assert launch.status == Launch.Status.FINISHED


def test_a_launch_is_running_while_anything_waits(sandbox: Any):
    launch = launched(reachable(), GroupFactory())  # the gateway does not know the second one's robot
    send_due_messages()
    assert counts(launch) == {"planned": 2, "waiting": 1, "sent": 1}
    assert (launch.status, launch.finished_at) == (Launch.Status.RUNNING, None)


def test_one_message_given_up_fails_the_delivery(sandbox: Any):
    launch = launched(reachable(), items=[WORDS, PICTURE])
    give_up(sandbox)
    assert counts(launch) == {"planned": 1, "failed": 1}


def test_an_operators_retry_that_works_makes_it_sent_and_is_reported_anew(sandbox: Any):
    group = reachable()
    launch = launched(group)
    give_up(sandbox)
    report_results()
    failed.retry(OutboxMessage.objects.failed(), at=timezone.now())
    send_due_messages()
    report_results()
    assert counts(launch) == {"planned": 1, "sent": 1}
    assert results(sandbox) == [(group.code, 2), (group.code, 1)]


def test_it_is_told_of_by_one_reporter_at_a_time(sandbox: Any):
    group = reachable()
    launched(group)
    give_up(sandbox)
    Delivery.objects.update(result_due_at=timezone.now() + LEASED_AT_ONCE)  # as taking it in hand does
    failed.retry(OutboxMessage.objects.failed(), at=timezone.now())
    send_due_messages()
    assert report_results() == 0
    with time_machine.travel(timezone.now() + LEASED_AT_ONCE + timedelta(seconds=1)):
        assert report_results() == 1
    assert results(sandbox) == [(group.code, 1)]


def test_a_failed_delivery_says_why_it_failed_last(sandbox: Any):
    launched(reachable(), items=[WORDS, PICTURE])
    first, second = OutboxMessage.objects.order_by("pk")
    for message, answer in ((first, "502 踢出"), (second, "413 图片太大")):
        OutboxMessage.objects.filter(pk=message.pk).update(try_count=4)
        [taken] = claim(at=timezone.now()).messages
        receipts.settle([receipts.Attempt(taken, Refused("gateway", answer))], at=timezone.now())
    failed.retry(OutboxMessage.objects.filter(pk=first.pk), at=timezone.now())
    send_due_messages()
    assert "413 图片太大" in Delivery.objects.get().reason


def test_a_group_cancelled_meanwhile_is_skipped(sandbox: Any):
    group = reachable()
    launch = launched(group)
    cancelling.cancel(group_ids=[group.pk], reason=CancelReason.ROBOT_KICKED, by="网关", at=timezone.now())
    send_due_messages()
    assert counts(launch) == {"planned": 1, "skipped": 1}
    assert Delivery.objects.get().reason == "群已注销:机器人被踢"


def test_a_group_cancelled_after_a_part_was_seen_has_failed(sandbox: Any):
    group = reachable()
    launch = launched(group, items=[WORDS, PICTURE])
    OutboxMessage.objects.filter(content__type=8).update(is_held=True)
    send_due_messages()
    cancelling.cancel(group_ids=[group.pk], reason=CancelReason.ROBOT_KICKED, by="网关", at=timezone.now())
    assert counts(launch) == {"planned": 1, "failed": 1}


def test_the_launch_system_hears_of_every_group_it_named(sandbox: Any):
    sent, off = reachable(), GroupFactory(launch_switch=False)
    launched(sent, off, GroupFactory.build(code="nobody", user=None, robot=None))
    send_due_messages()
    assert report_results() == 3
    assert sorted(results(sandbox)) == sorted([(sent.code, 1), (off.code, 2), ("nobody", 2)])


def test_it_hears_of_each_once(sandbox: Any):
    launched(GroupFactory(launch_switch=False))
    assert report_results() == 1
    assert report_results() == 0
    assert len(results(sandbox)) == 1


def test_it_hears_the_name_that_it_used(sandbox: Any):
    group = reachable()
    Group.objects.filter(pk=group.pk).update(launch_switch=False)
    group.code = str(group.pk)
    launched(group)
    report_results()
    assert results(sandbox) == [(str(group.pk), 2)]


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_while_it_is_away_results_wait_and_come_again(sandbox: Any, mode: str):
    launched(GroupFactory(launch_switch=False))
    break_down(sandbox, "launch", mode)
    assert report_results() == 0
    break_down(sandbox, "launch", "ok")
    assert report_results() == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=11)):
        assert report_results() == 1


def test_it_is_asked_less_often_the_longer_it_is_away(sandbox: Any):
    launched(GroupFactory(launch_switch=False))
    break_down(sandbox, "launch")
    for _ in range(12):
        Delivery.objects.update(result_due_at=timezone.now())
        report_results()
    wait = Delivery.objects.get().result_due_at - timezone.now()
    assert timedelta(minutes=59) < wait <= timedelta(hours=1)


def test_a_result_in_a_killed_workers_hands_comes_up_again(sandbox: Any):
    launched(GroupFactory(launch_switch=False))
    Delivery.objects.update(result_due_at=timezone.now() + timedelta(minutes=3))  # as taking it in hand does
    assert report_results() == 0
    with time_machine.travel(timezone.now() + timedelta(minutes=3, seconds=1)):
        assert report_results() == 1
