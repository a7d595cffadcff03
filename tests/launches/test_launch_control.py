"""An operator pauses, resumes and cancels launches."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from groups import stars
from launches import launch_control
from launches.models import Delivery, Launch
from launches.tasks import fire_mass_messages, report_results
from robots.models import OutboxMessage
from robots.outbox import failed, results
from robots.outbox.leases import claim_messages
from tests.factories.launches import TEXT_ITEM, launched, reachable, scheduled
from tests.factories.people import OperatorFactory, UserFactory
from tests.support.entry_points import send_due_messages
from tests.support.outbox import fail_messages

pytestmark = pytest.mark.django_db
PAGE = "/admin/launches/launch/"


def operator(*permissions: str) -> Client:
    """Return the client of an operator who may view launches and has these permissions."""
    person = OperatorFactory(is_superuser=False, username="wang")
    person.user_permissions.set(Permission.objects.filter(codename__in=["view_launch", *permissions]))
    client = Client()
    client.force_login(person)
    return client


def run_action(client: Client, action: str, *launches: Launch, confirmed: bool = True, **form_data: str) -> str:
    body = {"action": action, "_selected_action": [launch.pk for launch in launches], **form_data}
    answer = client.post(PAGE, body | ({"confirmed": "1"} if confirmed else {}), follow=True)
    return answer.content.decode()


def pause(launch: Launch) -> None:
    assert launch_control.pause_launch(launch=launch, by="wang", at=timezone.now())


def half_failed(sandbox: Any) -> Launch:
    """Return a launch that failed in one group and waits in another until tomorrow."""
    launch = launched(reachable(), reachable())
    last = OutboxMessage.objects.latest("pk")
    OutboxMessage.objects.filter(pk=last.pk).update(not_before=timezone.now() + timedelta(days=1))
    fail_messages(sandbox)
    return launch


def status_of(launch: Launch) -> int:
    launch.refresh_from_db()
    return launch.status


def test_pausing_asks_for_confirmation():
    launch = launched(reachable())
    page = run_action(operator("pause_launch"), "pause", launch, confirmed=False)
    assert "共 1 个群，待发送 1" in page
    assert status_of(launch) == Launch.Status.RUNNING


def test_a_paused_launch_sends_nothing_until_it_is_resumed(sandbox: Any):
    launch = launched(reachable(), reachable())
    client = operator("pause_launch", "resume_launch")
    assert "已暂停 1 条" in run_action(client, "pause", launch)
    assert send_due_messages() == 0
    assert "已恢复 1 条" in run_action(client, "resume", launch)
    assert send_due_messages() == 2
    assert status_of(launch) == Launch.Status.FINISHED


def test_a_resumed_launch_continues_where_it_stopped(sandbox: Any):
    first, second = reachable(), reachable()
    launch = launched(first, second)
    OutboxMessage.objects.filter(group_code=second.code).update(is_held=True)
    send_due_messages()
    pause(launch)
    launch_control.resume_launch(launch=launch, at=timezone.now())
    send_due_messages()
    assert sorted(m["group_id"] for m in sandbox.state.messages.values()) == sorted([first.code, second.code])


def test_a_group_that_was_switched_off_during_the_pause_is_skipped(sandbox: Any):
    group = reachable()
    launch = launched(group)
    pause(launch)
    stars.rate([stars.Rating(group.code, 4, 1)], at=timezone.now())
    launch_control.resume_launch(launch=launch, at=timezone.now())
    send_due_messages()
    assert status_of(launch) == Launch.Status.FINISHED
    assert launch.skipped_count == 1


def test_a_cancelled_launch_sends_nothing_more_and_reports_its_groups(sandbox: Any):
    group = reachable()
    launch = launched(group)
    assert "已取消 1 条" in run_action(operator("cancel_launch"), "cancel", launch, reason="广告主要求")
    assert send_due_messages() == 0
    report_results()
    assert [(result["groupId"], result["state"]) for result in sandbox.state.launch_results] == [(group.code, 2)]
    assert status_of(launch) == Launch.Status.CANCELLED
    assert (launch.cancelled_by, launch.skipped_count) == ("wang", 1)
    assert Delivery.objects.get().reason == "投放已取消：广告主要求"


def test_cancelling_asks_for_a_reason():
    launch = launched(reachable())
    run_action(operator("cancel_launch"), "cancel", launch)
    assert status_of(launch) == Launch.Status.RUNNING


def test_a_paused_launch_can_be_cancelled():
    launch = launched(reachable())
    pause(launch)
    assert launch_control.cancel_launch(launch=launch, by="wang", reason="不要了", at=timezone.now())
    assert OutboxMessage.objects.waiting().count() == 0


def test_failed_messages_of_a_cancelled_launch_cannot_be_retried(sandbox: Any):
    launch = half_failed(sandbox)
    assert launch_control.cancel_launch(launch=launch, by="wang", reason="不要了", at=timezone.now())
    assert failed.retry_failed(OutboxMessage.objects.all(), at=timezone.now()) == 0
    assert status_of(launch) == Launch.Status.CANCELLED
    assert (launch.failed_count, launch.skipped_count) == (1, 1)


def test_a_retried_message_waits_for_the_end_of_a_pause(sandbox: Any):
    launch = half_failed(sandbox)
    pause(launch)
    failed.retry_failed(OutboxMessage.objects.all(), at=timezone.now())
    assert send_due_messages() == 0
    launch_control.resume_launch(launch=launch, at=timezone.now())
    assert send_due_messages() == 1


def test_a_paused_launch_with_nothing_left_to_send_is_finished_when_it_is_resumed(sandbox: Any):
    launch = launched(reachable())
    [leased] = claim_messages(at=timezone.now()).messages
    pause(launch)
    results.finish([results.AttemptResult(leased)], at=timezone.now())
    assert status_of(launch) == Launch.Status.PAUSED
    launch_control.resume_launch(launch=launch, at=timezone.now())
    assert status_of(launch) == Launch.Status.FINISHED


def test_a_finished_launch_cannot_be_changed(sandbox: Any):
    launch = launched(reachable())
    send_due_messages()
    now = timezone.now()
    assert not launch_control.pause_launch(launch=launch, by="wang", at=now)
    assert not launch_control.resume_launch(launch=launch, at=timezone.now())
    assert not launch_control.cancel_launch(launch=launch, by="wang", reason="不要了", at=now)
    assert status_of(launch) == Launch.Status.FINISHED


def test_pausing_twice_is_harmless():
    launch = launched(reachable())
    pause(launch)
    page = run_action(operator("pause_launch"), "pause", launch)
    assert "1 条没有变化：不在投放中" in page


@pytest.mark.parametrize("action", ["pause", "resume", "cancel"])
def test_each_action_needs_its_own_permission(action: str):
    others = {"pause_launch", "resume_launch", "cancel_launch"} - {f"{action}_launch"}
    launch = launched(reachable())
    run_action(operator(*others), action, launch, reason="x")
    assert status_of(launch) == Launch.Status.RUNNING


def test_the_list_shows_the_progress_of_a_launch():
    launched(reachable(), reachable(), items=[TEXT_ITEM])
    page = operator().get(PAGE).content.decode()
    assert '<td class="field-planned_count">2</td>' in page
    assert '<td class="field-waiting_count">2</td>' in page


def test_a_delivery_leads_to_its_messages():
    launched(reachable(), items=[TEXT_ITEM, TEXT_ITEM])
    client = Client()
    client.force_login(OperatorFactory())
    page = client.get(f"/admin/launches/delivery/{Delivery.objects.get().pk}/change/").content.decode()
    for message in OutboxMessage.objects.all():
        assert f'<a href="/admin/robots/outboxmessage/{message.pk}/change/">{message}</a> 待发送' in page


def test_a_mass_message_leads_to_its_messages(django_assert_max_num_queries):
    alice = UserFactory()
    message = scheduled(alice, *(reachable(user=alice) for _ in range(5)), send_at=timezone.now())
    fire_mass_messages()
    client = Client()
    client.force_login(OperatorFactory())
    with django_assert_max_num_queries(15):
        page = client.get(f"/admin/launches/massmessage/{message.pk}/change/").content.decode()
    assert len(re.findall(r"/admin/robots/outboxmessage/\d+/change/", page)) == 5


def test_the_list_takes_the_same_queries_however_long(django_assert_num_queries):
    client = operator()
    launched(reachable())
    client.get(PAGE)
    with CaptureQueriesContext(connection) as few:
        client.get(PAGE)
    for _ in range(5):
        launched(reachable())
    with django_assert_num_queries(len(few)):
        client.get(PAGE)
