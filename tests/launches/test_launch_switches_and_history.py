"""Launch switches of groups, and the history of launches, as users see them."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from accounts.models import User
from groups import cancelling
from groups.models import CancelReason, Group
from integrations.launch_system import LaunchSystem
from launches import switch_changes
from launches.models import Delivery
from robots.models import OutboxMessage
from robots.outbox import failed
from tests.factories.launches import TEXT_ITEM, launched, reachable
from tests.factories.people import GroupFactory
from tests.support.client import ApiClient
from tests.support.entry_points import send_due_messages
from tests.support.outbox import fail_messages
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db


def switch(user: User, body: Any) -> dict[str, Any]:
    return ApiClient(user).put("/launch/switch", body)


def is_on(group: Group) -> bool:
    return Group.objects.values_list("launch_switch", flat=True).get(pk=group.pk)


def test_the_launch_system_is_called_first(alice: User, sandbox: Any):
    group = GroupFactory(user=alice)
    answer = switch(alice, {"code": group.code, "rcv_task_flag": 0})
    assert (answer["code"], answer["data"]) == (1200, 0)
    assert not is_on(group)
    assert sandbox.state.switches == {group.code: 0}


def test_nothing_changes_when_the_launch_system_refuses(alice: User, sandbox: Any):
    group = GroupFactory(user=alice)
    set_fault(sandbox, "launch")
    assert switch(alice, {"code": group.code, "rcv_task_flag": 0})["code"] == 1101
    assert is_on(group)


def test_after_a_lost_answer_both_sides_return_to_the_old_state(alice: User, sandbox: Any):
    group = GroupFactory(user=alice)
    set_fault(sandbox, "launch", "drop_reply")
    assert switch(alice, {"code": group.code, "rcv_task_flag": 0})["code"] == 1101
    assert (is_on(group), sandbox.state.switches) == (True, {group.code: 0})
    set_fault(sandbox, "launch", "ok")
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        assert switch_changes.report_due_switches() == 1
    assert sandbox.state.switches == {group.code: 1}


def test_a_group_that_is_cancelled_during_the_call_stays_off(alice: User, sandbox: Any, monkeypatch: Any):
    group, other = GroupFactory(user=alice, launch_switch=False), GroupFactory(user=alice, launch_switch=False)
    set_switches = LaunchSystem.set_switches

    def slow(system: LaunchSystem, states: dict[str, bool]) -> None:
        set_switches(system, states)
        monkeypatch.setattr(LaunchSystem, "set_switches", set_switches)
        cancelling.cancel_groups(group_ids=[group.pk], reason=CancelReason.OPERATOR, by="ann", at=timezone.now())
        switch_changes.record_changes([group.code], at=timezone.now())

    monkeypatch.setattr(LaunchSystem, "set_switches", slow)
    switch(alice, [{"code": item.code, "rcv_task_flag": 1} for item in (group, other)])
    assert (is_on(group), is_on(other)) == (False, True)
    assert switch_changes.report_due_switches() == 1
    assert sandbox.state.switches == {group.code: 0, other.code: 1}


def test_a_list_is_set_whole_and_the_last_state_is_answered(alice: User, sandbox: Any):
    first, second = GroupFactory(user=alice, launch_switch=False), GroupFactory(user=alice)
    answer = switch(alice, [{"code": first.code, "rcv_task_flag": 1}, {"code": str(second.pk), "rcv_task_flag": 0}])
    assert (answer["code"], answer["data"]) == (1200, 0)
    assert (is_on(first), is_on(second)) == (True, False)


def test_a_list_with_another_users_group_sets_nothing(alice: User, sandbox: Any):
    own, theirs = GroupFactory(user=alice), GroupFactory()
    body = [{"code": own.code, "rcv_task_flag": 0}, {"code": theirs.code, "rcv_task_flag": 0}]
    assert switch(alice, body)["code"] == 1404
    assert (is_on(own), is_on(theirs)) == (True, True)
    assert sandbox.state.switches == {}


def test_a_group_that_is_switched_off_gets_no_more_of_running_launches(alice: User, sandbox: Any):
    group, other = reachable(user=alice), reachable(user=alice)
    launch = launched(group, other)
    switch(alice, {"code": group.code, "rcv_task_flag": 0})
    assert send_due_messages() == 1
    launch.refresh_from_db()
    assert (launch.sent_count, launch.skipped_count) == (1, 1)


def test_the_rest_of_a_failed_delivery_is_not_sent_to_a_group_that_is_switched_off(alice: User, sandbox: Any):
    group = reachable(user=alice)
    launched(group, items=[TEXT_ITEM, TEXT_ITEM])
    OutboxMessage.objects.filter(pk=OutboxMessage.objects.latest("pk").pk).update(is_held=True)
    fail_messages(sandbox)
    OutboxMessage.objects.update(is_held=False)
    switch(alice, {"code": group.code, "rcv_task_flag": 0})
    assert failed.retry_failed(OutboxMessage.objects.all(), at=timezone.now()) == 0
    assert send_due_messages() == 0
    assert Delivery.objects.get().status == Delivery.Status.FAILED


@pytest.mark.parametrize("path", ["/launch/switch", "/launch/history"])
def test_the_history_counts_the_users_own_groups(alice: User, sandbox: Any, path: str):
    mine = [GroupFactory(user=alice), GroupFactory(user=alice)]
    launch = launched(*mine, GroupFactory())
    answer = ApiClient(alice).get(path)
    row = answer["data"][0]
    assert (row["task_id"], row["group_count"], row["send_flag"]) == (str(launch.pk), 2, 0)
    assert answer["page_info"]["total_records"] == 1


def test_the_send_flag_is_one_when_nothing_is_left_to_send(alice: User, sandbox: Any):
    launched(reachable(user=alice))
    send_due_messages()
    assert ApiClient(alice).get("/launch/history")["data"][0]["send_flag"] == 1


def test_skipped_deliveries_are_not_in_the_history(alice: User):
    launched(GroupFactory(user=alice, launch_switch=False))
    assert ApiClient(alice).get("/launch/history")["data"] == []


def test_the_detail_names_groups_and_content(alice: User):
    launch = launched(GroupFactory(user=alice, name="好群"), GroupFactory(name="别人的群"))
    data = ApiClient(alice).get("/launch/history/detail", task_id=launch.task_id)["data"]
    assert data["groups"] == ["好群"]
    assert data["materials"] == [{"url": None, "title": None, "filePath": None, **TEXT_ITEM}]


def test_a_launch_to_other_users_is_not_found(alice: User):
    launch = launched(GroupFactory())
    assert ApiClient(alice).get("/launch/history/detail", task_id=str(launch.pk))["code"] == 1404


def test_the_history_takes_the_same_queries_however_long(alice: User, django_assert_num_queries):
    group = GroupFactory(user=alice)
    for _ in range(30):
        launched(group)
    client = ApiClient(alice)
    with django_assert_num_queries(1):
        assert len(client.get("/launch/history")["data"]) == 20
