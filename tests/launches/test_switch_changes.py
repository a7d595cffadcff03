"""Reports of switches that changed without their users, repeated until the launch system accepts them."""

from typing import Any

import pytest
from django.utils import timezone

from groups import cancelling
from groups.models import CancelReason, Group
from integrations.http import Refused
from integrations.launch_system import LaunchSystem
from launches import switch_changes
from launches.models import SwitchChange
from launches.tasks import report_switches
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import gateway_sends, key_with
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db


def rate(*ratings: tuple[Group, int]) -> int:
    data = [{"groupId": group.code, "star": star, "state": 1} for group, star in ratings]
    return key_with().post("/groups/star", {"command": "update_group_star", "data": data})["code"]


def cancel(group: Group) -> None:
    reason = CancelReason.OPERATOR
    cancelling.cancel_groups(group_ids=[group.pk], reason=reason, by="root", at=timezone.now())


def make_due() -> None:
    SwitchChange.objects.update(next_attempt_at=timezone.now())


def sandbox_fault(sandbox: Any, mode: str) -> None:
    set_fault(sandbox, "launch", mode)


@pytest.mark.parametrize("star", [4, 5])
def test_ratings_that_switch_launches_off_are_reported_to_the_launch_system(sandbox: Any, star: int):
    group, other = GroupFactory(), GroupFactory()
    assert rate((group, star), (other, 3)) == 1200
    assert report_switches() == 1
    assert sandbox.state.switches == {group.code: 0}
    assert not SwitchChange.objects.exists()


def test_a_group_that_is_off_already_is_not_reported(sandbox: Any):
    rate((GroupFactory(launch_switch=False), 5))
    assert report_switches() == 0


def test_a_refused_batch_of_ratings_reports_nothing():
    nobody = GroupFactory.build(code="nobody")
    assert rate((GroupFactory(), 5), (nobody, 5)) == 1403
    assert not SwitchChange.objects.exists()


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_a_change_is_reported_again_until_it_is_accepted(sandbox: Any, mode: str):
    group = GroupFactory()
    rate((group, 5))
    sandbox_fault(sandbox, mode)
    assert (report_switches(), report_switches()) == (0, 0)  # the second finds nothing due
    change = SwitchChange.objects.get()
    assert (change.attempts, change.next_attempt_at > timezone.now()) == (1, True)
    sandbox_fault(sandbox, "ok")
    make_due()
    assert report_switches() == 1
    assert sandbox.state.switches == {group.code: 0}


def test_a_users_later_switch_replaces_the_change(sandbox: Any):
    group = GroupFactory()
    rate((group, 5))
    ApiClient(group.user).put("/launch/switch", {"code": group.code, "rcv_task_flag": 1})
    assert report_switches() == 0
    assert sandbox.state.switches == {group.code: 1}


def test_the_reported_state_is_the_state_at_that_time(sandbox: Any):
    group = GroupFactory()
    rate((group, 5))
    Group.objects.update(launch_switch=True)
    report_switches()
    assert sandbox.state.switches == {group.code: 1}


def test_a_change_during_the_call_is_reported_after_it(sandbox: Any):
    group = GroupFactory()
    rate((group, 5))

    class Slow(LaunchSystem):
        def set_switches(self, switches: dict[str, bool]) -> None:
            super().set_switches(switches)
            if not switches[group.code]:
                Group.objects.update(launch_switch=True)
                switch_changes.record_changes([group.code], at=timezone.now())

    assert switch_changes.report_due_switches(Slow.from_settings()) == 2
    assert sandbox.state.switches == {group.code: 1}


def test_a_refused_change_does_not_stop_others(sandbox: Any):
    first, second = GroupFactory(code="bad"), GroupFactory(code="good")
    rate((first, 5), (second, 4))

    class Choosy(LaunchSystem):
        def set_switches(self, switches: dict[str, bool]) -> None:
            if "bad" in switches:
                raise Refused("launch", "404", "no such group")
            super().set_switches(switches)

    switch_changes.report_due_switches(Choosy.from_settings())
    assert (sandbox.state.switches, SwitchChange.objects.get().group_code) == ({"good": 0}, "bad")


def test_a_cancelled_group_is_reported_as_off(sandbox: Any):
    group, other = GroupFactory(), GroupFactory(launch_switch=False)
    cancel(group)
    cancel(other)
    assert report_switches() == 1
    assert sandbox.state.switches == {group.code: 0}


def test_a_group_that_is_bound_again_is_reported_as_on(sandbox: Any):
    user, robot = UserFactory(code="wx-alice"), RobotFactory(code="r1")
    GroupFactory(code="g1", cancelled_at=timezone.now(), cancel_reason=3, launch_switch=False)
    body = {"robot_id": robot.code, "user_id": user.code, "name": "群"}
    gateway_sends(
        ("bind_group_success", body | {"group_id": "g1"}), ("bind_group_success", body | {"group_id": "g2"})
    )
    assert report_switches() == 1
    assert sandbox.state.switches == {"g1": 1}


def test_many_switches_are_reported_in_few_calls(sandbox: Any, django_assert_max_num_queries: Any):
    groups = [GroupFactory(code=f"g{number:03}", user=UserFactory.create()) for number in range(130)]
    rate(*((group, 5) for group in groups))
    with django_assert_max_num_queries(30):
        assert report_switches() == 130
    assert sandbox.state.switches == {group.code: 0 for group in groups}
