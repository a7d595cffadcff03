"""Switches that change without their users: the launch system is told of them too, until it accepts that."""

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

pytestmark = pytest.mark.django_db


def stars(*ratings: tuple[Group, int]) -> int:
    data = [{"groupId": group.code, "star": star, "state": 1} for group, star in ratings]
    return key_with().post("/groups/star", {"command": "update_group_star", "data": data})["code"]


def cancel(group: Group) -> None:
    reason = CancelReason.OPERATOR
    cancelling.cancel(group_ids=[group.pk], reason=reason, by="root", at=timezone.now())


def make_due() -> None:
    SwitchChange.objects.update(due_at=timezone.now())


def sandbox_fault(sandbox: Any, mode: str) -> None:
    sandbox.state.note("fault", system="launch", mode=mode, rate=1.0)


@pytest.mark.parametrize("star", [4, 5])
def test_stars_that_switch_launches_off_tell_the_launch_system(sandbox: Any, star: int):
    group, other = GroupFactory(), GroupFactory()
    assert stars((group, star), (other, 3)) == 1200
    assert report_switches() == 1
    assert sandbox.state.switches == {group.code: 0}
    assert not SwitchChange.objects.exists()


def test_a_group_that_is_off_already_is_no_news(sandbox: Any):
    stars((GroupFactory(launch_switch=False), 5))
    assert report_switches() == 0


def test_a_batch_of_stars_that_is_refused_tells_nothing():
    nobody = GroupFactory.build(code="nobody")
    assert stars((GroupFactory(), 5), (nobody, 5)) == 1403
    assert not SwitchChange.objects.exists()


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_it_is_told_again_until_it_is_accepted(sandbox: Any, mode: str):
    group = GroupFactory()
    stars((group, 5))
    sandbox_fault(sandbox, mode)
    assert (report_switches(), report_switches()) == (0, 0)  # the second finds nothing due
    change = SwitchChange.objects.get()
    assert (change.try_count, change.due_at > timezone.now()) == (1, True)
    sandbox_fault(sandbox, "ok")
    make_due()
    assert report_switches() == 1
    assert sandbox.state.switches == {group.code: 0}


def test_a_user_who_switches_on_meanwhile_has_the_last_word(sandbox: Any):
    group = GroupFactory()
    stars((group, 5))
    ApiClient(group.user).put("/launch/switch", {"code": group.code, "rcv_task_flag": 1})
    assert report_switches() == 0
    assert sandbox.state.switches == {group.code: 1}


def test_what_is_told_is_the_state_at_that_moment(sandbox: Any):
    group = GroupFactory()
    stars((group, 5))
    Group.objects.update(launch_switch=True)
    report_switches()
    assert sandbox.state.switches == {group.code: 1}


def test_a_change_during_the_call_is_told_after_it(sandbox: Any):
    group = GroupFactory()
    stars((group, 5))

    class Slow(LaunchSystem):
        def set_switches(self, switches: dict[str, bool]) -> None:
            super().set_switches(switches)
            if not switches[group.code]:
                Group.objects.update(launch_switch=True)
                switch_changes.note([group.code], at=timezone.now())

    assert switch_changes.report_due(Slow.from_settings()) == 2
    assert sandbox.state.switches == {group.code: 1}


def test_one_that_is_refused_keeps_back_no_other(sandbox: Any):
    first, second = GroupFactory(code="bad"), GroupFactory(code="good")
    stars((first, 5), (second, 4))

    class Choosy(LaunchSystem):
        def set_switches(self, switches: dict[str, bool]) -> None:
            if "bad" in switches:
                raise Refused("launch", "404", "no such group")
            super().set_switches(switches)

    switch_changes.report_due(Choosy.from_settings())
    assert (sandbox.state.switches, SwitchChange.objects.get().group_code) == ({"good": 0}, "bad")


def test_a_cancelled_group_takes_launches_no_more(sandbox: Any):
    group, quiet = GroupFactory(), GroupFactory(launch_switch=False)
    cancel(group)
    cancel(quiet)
    assert report_switches() == 1
    assert sandbox.state.switches == {group.code: 0}


def test_a_group_bound_again_takes_launches_again(sandbox: Any):
    user, robot = UserFactory(code="wx-alice"), RobotFactory(code="r1")
    GroupFactory(code="g1", cancelled_at=timezone.now(), cancel_reason=3, launch_switch=False)
    words = {"robot_id": robot.code, "user_id": user.code, "name": "群"}
    gateway_sends(
        ("bind_group_success", words | {"group_id": "g1"}), ("bind_group_success", words | {"group_id": "g2"})
    )
    assert report_switches() == 1
    assert sandbox.state.switches == {"g1": 1}


def test_many_switches_are_told_in_few_calls(sandbox: Any, django_assert_max_num_queries: Any):
    groups = [GroupFactory(code=f"g{number:03}", user=UserFactory.create()) for number in range(130)]
    stars(*((group, 5) for group in groups))
    with django_assert_max_num_queries(30):
        assert report_switches() == 130
    assert sandbox.state.switches == {group.code: 0 for group in groups}
