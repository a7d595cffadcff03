"""Binding and unbinding of groups, as the gateway reports them."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from config.platform.dates import day_of
from groups import cancelling
from groups.models import CancelReason, Group
from integrations.models import GatewayEvent
from robots.models import OutboxMessage, Robot, RobotDay
from robots.outbox import failed
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory
from tests.support.client import ApiClient
from tests.support.entry_points import gateway_operations, gateway_sends, private_messages_to
from tests.support.group_events import bound, pulled_in

pytestmark = pytest.mark.django_db


def test_a_robot_that_is_added_asks_the_gateway_to_bind(alice, robot):
    gateway_sends(pulled_in())
    assert gateway_operations("g1") == ["bind_group"]
    assert private_messages_to("wx-alice") == []


def test_an_unknown_user_is_refused_silently(robot):
    gateway_sends(pulled_in(user="nobody"))
    assert gateway_operations("g1") == []
    assert GatewayEvent.objects.get().status == GatewayEvent.Status.IGNORED


def test_a_blocked_user_is_refused_silently(alice, robot):
    User.objects.update(blocked_at=timezone.now())
    gateway_sends(pulled_in())
    assert gateway_operations("g1") == []
    assert private_messages_to("wx-alice") == []


def test_a_full_robot_recommends_another_with_its_picture(alice):
    RobotFactory(code="r1", group_count=30)
    other = RobotFactory(name="二号", qr_code_url="http://e.com/qr.png")
    gateway_sends(pulled_in())
    assert gateway_operations("g1") == []
    texts = private_messages_to("wx-alice")
    assert "名额" in texts[0]
    assert other.name in texts[1]
    assert texts[2] == "http://e.com/qr.png"


def test_a_robot_out_of_quota_refuses_too(alice, robot):
    RobotDay.objects.create(robot=robot, day=day_of(timezone.now()), quota=1, bound_count=1)
    gateway_sends(pulled_in())
    assert gateway_operations("g1") == []


@pytest.mark.parametrize("reason", [CancelReason.ILLEGAL, CancelReason.POOR_LAUNCHES])
def test_a_group_cancelled_for_a_violation_cannot_be_bound_again(alice, robot, reason: int):
    GroupFactory(code="g1", cancelled_at=timezone.now(), cancel_reason=reason)
    gateway_sends(pulled_in())
    assert gateway_operations("g1") == []
    assert "违规" in private_messages_to("wx-alice")[0]


def test_a_group_cancelled_for_another_reason_can_be_bound_again(alice, robot):
    GroupFactory(code="g1", cancelled_at=timezone.now(), cancel_reason=CancelReason.ROBOT_KICKED)
    gateway_sends(pulled_in())
    assert gateway_operations("g1") == ["bind_group"]


def test_a_group_that_is_served_already_is_refused(alice, robot):
    GroupFactory(code="g1")
    gateway_sends(pulled_in())
    assert gateway_operations("g1") == []
    assert "已经有" in private_messages_to("wx-alice")[0]


def test_a_bound_group_is_the_users_and_counts_on_the_robot(alice, robot):
    gateway_sends(bound())
    group = Group.objects.get()
    assert (group.user, group.robot, group.name) == (alice, robot, "好群")
    robot.refresh_from_db()
    assert robot.group_count == 1
    assert RobotDay.objects.get(robot=robot).bound_count == 1


def test_a_bound_group_asks_for_its_members_and_thanks_the_user(alice, robot):
    gateway_sends(bound())
    assert gateway_operations("g1") == ["sync_members"]
    assert "绑定成功" in private_messages_to("wx-alice")[0]


def test_a_binding_reported_twice_binds_once(alice, robot):
    gateway_sends(bound())
    gateway_sends(bound())
    robot.refresh_from_db()
    assert (Group.objects.count(), robot.group_count, len(private_messages_to("wx-alice"))) == (1, 1, 1)


def test_the_time_of_binding_is_the_gateways(alice, robot):
    gateway_sends(bound(bind_time="2026-01-02 03:04:05"))
    assert timezone.localtime(Group.objects.get().bound_at).strftime("%F %T") == "2026-01-02 03:04:05"


def test_a_group_bound_again_keeps_its_paid_days(alice, robot):
    GroupFactory(code="g1", settle_count=12, cancelled_at=timezone.now(), cancel_reason=3)
    GroupFactory(code="g1", settle_count=5, cancelled_at=timezone.now(), cancel_reason=3)
    gateway_sends(bound())
    assert Group.objects.active().get().paid_day_count == 12


def test_the_last_free_place_of_a_robot_recommends_another(alice):
    RobotFactory(code="r1", group_count=29)
    other = RobotFactory(name="二号")
    gateway_sends(bound())
    assert other.name in private_messages_to("wx-alice")[1]


def test_a_robot_that_has_filled_up_unbinds_the_group(alice):
    RobotFactory(code="r1", group_count=30)
    gateway_sends(bound())
    assert Group.objects.count() == 0
    assert gateway_operations("g1") == ["unbind_group"]
    assert "名额" in private_messages_to("wx-alice")[0]


@pytest.fixture
def friend(alice) -> Robot:
    """A working robot that alice has added."""
    return FriendshipFactory(user=alice, robot__code="r2").robot


def test_a_robot_banned_before_its_binding_is_reported_gets_no_group(alice, robot, friend):
    gateway_sends(("abnormal_robot", {"robot_id": "r1"}), bound())
    assert Group.objects.count() == 0
    assert gateway_operations("g1") == []
    assert "不能用了" in private_messages_to("wx-alice")[0]
    assert set(OutboxMessage.objects.values_list("robot__code", flat=True)) == {"r2"}


def test_a_banned_robot_that_is_added_recommends_a_working_one(alice, robot, friend):
    gateway_sends(("abnormal_robot", {"robot_id": "r1"}), pulled_in())
    assert private_messages_to("wx-alice")[1] == "请改把我拉进群。"
    assert gateway_operations("g1") == []


def test_when_the_users_other_robot_is_full_a_third_is_recommended(alice, robot, friend):
    Robot.objects.filter(pk=friend.pk).update(group_count=30)
    RobotFactory(name="三号")
    gateway_sends(("abnormal_robot", {"robot_id": "r1"}), bound())
    assert "三号" in private_messages_to("wx-alice")[1]


def test_a_banned_robot_sends_nothing_when_the_user_has_no_working_robot(alice, robot):
    gateway_sends(("abnormal_robot", {"robot_id": "r1"}), bound())
    assert (Group.objects.count(), private_messages_to("wx-alice")) == (0, [])


def test_the_second_robot_in_a_group_is_unbound(alice, robot):
    RobotFactory(code="r2")
    gateway_sends(bound(), bound(robot="r2"))
    assert Group.objects.get().robot == robot
    unbinding = OutboxMessage.objects.get(operation="unbind_group")
    assert (unbinding.robot.code, unbinding.group_code) == ("r2", "g1")
    assert "已经有" in private_messages_to("wx-alice")[-1]


def test_the_database_serves_a_group_once_at_a_time(alice, robot):
    GroupFactory(code="g1")
    with pytest.raises(IntegrityError, match="group_is_served_once_at_a_time"), transaction.atomic():
        GroupFactory(code="g1")


def bound_at_once(*bind_times: str, arriving: datetime, quota: int = 1) -> list[str]:
    """Return the codes of the groups that a robot with this daily quota serves after these bindings."""
    robot = Robot.objects.get(code="r1")
    with time_machine.travel(arriving, tick=False):
        for day in {day_of(arriving), day_of(arriving) - timedelta(days=1)}:
            RobotDay.objects.create(robot=robot, day=day, quota=quota)
        gateway_sends(*(bound(f"g{n}", bind_time=time) for n, time in enumerate(bind_times, 1)))
    return sorted(Group.objects.values_list("code", flat=True))


def test_bindings_reported_for_another_day_use_the_quota_of_today(alice, robot):
    times = ["2026-11-02 12:00:00", "2026-11-01 12:00:00", "2026-10-01 08:00:00"]
    noon = datetime.fromisoformat("2026-11-02T12:30:00+08:00")
    assert bound_at_once(*times, arriving=noon, quota=2) == ["g1", "g2"]
    assert RobotDay.objects.get(day="2026-11-02").bound_count == 2
    assert gateway_operations("g3") == ["unbind_group"]


@pytest.mark.parametrize(
    ("bind_time", "arrival", "day"),
    [
        ("2026-11-01 23:58:00", "00:01:00", "2026-11-01"),
        ("2026-11-01 23:55:00", "00:04:59", "2026-11-01"),
        ("2026-11-01 23:54:59", "00:01:00", "2026-11-02"),
        ("2026-11-01 23:58:00", "00:05:00", "2026-11-02"),
        ("2026-11-02 00:00:00", "00:01:00", "2026-11-02"),
        ("2026-11-01 16:01:00", "00:01:00", "2026-11-02"),  # a gateway whose clock is in UTC
    ],
)
def test_only_around_midnight_the_day_of_the_binding_counts(alice, robot, bind_time: str, arrival: str, day: str):
    arriving = datetime.fromisoformat(f"2026-11-02T{arrival}+08:00")
    assert bound_at_once(bind_time, arriving=arriving) == ["g1"]
    assert str(RobotDay.objects.get(bound_count=1).day) == day


def test_the_user_is_notified_of_a_failed_join(alice, robot):
    body = {"robot_id": "r1", "group_id": "g1", "user_id": "wx-alice", "name": "好群", "reason": "群满了"}
    gateway_sends(("robot_join_failed", body))
    assert "群满了" in private_messages_to("wx-alice")[0]


def test_a_kick_of_the_robot_cancels_the_group(alice, robot):
    gateway_sends(bound())
    gateway_sends(("robot_kicked", {"robot_id": "r1", "group_id": "g1", "user_id": "wx-alice"}))
    group = Group.objects.get()
    assert (group.cancel_reason, group.cancelled_by) == (CancelReason.ROBOT_KICKED, "网关")
    robot.refresh_from_db()
    assert robot.group_count == 0


def test_a_kick_from_before_the_binding_cancels_nothing(alice, robot):
    gateway_sends(bound(bind_time="2026-11-02 10:00:00"))
    kick = {"robot_id": "r1", "group_id": "g1", "user_id": "wx-alice"}
    gateway_sends(("robot_kicked", kick | {"kick_time": "2026-11-02 09:59:59"}))
    assert Group.objects.active().count() == 1
    gateway_sends(("robot_kicked", kick | {"kick_time": "2026-11-02 10:00:00"}))
    assert Group.objects.active().count() == 0


def test_a_cancelled_group_is_unbound_and_gets_no_more_messages(alice, robot):
    gateway_sends(bound())
    group = Group.objects.get()
    cancelling.cancel_groups(group_ids=[group.pk], reason=CancelReason.OPERATOR, by="root", at=timezone.now())
    assert gateway_operations("g1") == ["sync_members", "unbind_group"]
    waiting = OutboxMessage.objects.filter(group_code="g1", status=0)
    assert [message.operation for message in waiting] == ["unbind_group"]


def test_cancelling_twice_counts_once(alice, robot):
    gateway_sends(bound())
    group = Group.objects.get()
    params = {"reason": CancelReason.OPERATOR, "by": "root", "at": timezone.now()}
    assert cancelling.cancel_groups(group_ids=[group.pk], **params) == 1
    assert cancelling.cancel_groups(group_ids=[group.pk], **params) == 0
    robot.refresh_from_db()
    assert robot.group_count == 0


@pytest.mark.parametrize("body", [{}, [], "x", 1, {"group_id": ["x"]}, [{"group_id": "g1"}]])
def test_invalid_bodies_are_ignored_and_stored(body):
    gateway_sends(("group_members", body), ("bind_group_success", body), ("group_info", body))
    assert set(GatewayEvent.objects.values_list("status", flat=True)) == {GatewayEvent.Status.IGNORED}


def test_the_robot_asks_to_be_pulled_back_and_shows_its_code():
    group = GroupFactory(name="测试群")
    answer = ApiClient(group.user).get(f"/pullback/{group.code}")
    assert (answer["code"], answer["data"]) == (1200, group.robot.qr_code_url)
    [text] = private_messages_to(group.user.code)
    assert "测试群" in text


def test_a_robot_can_be_pulled_back_into_a_group_that_kicked_it():
    group = GroupFactory(cancelled_at=timezone.now(), cancel_reason=CancelReason.ROBOT_KICKED)
    assert ApiClient(group.user).get(f"/pullback/{group.pk}")["code"] == 1200
    assert len(private_messages_to(group.user.code)) == 1


def test_a_robot_cannot_be_pulled_back_into_a_group_cancelled_for_another_reason():
    group = GroupFactory(cancelled_at=timezone.now(), cancel_reason=CancelReason.ILLEGAL)
    assert ApiClient(group.user).get(f"/pullback/{group.pk}")["code"] == 1404
    assert private_messages_to(group.user.code) == []


def test_a_failed_unbinding_does_not_cancel_a_group_that_is_bound_again(alice, robot):
    gateway_sends(bound())
    cancelling.cancel_groups(
        group_ids=[Group.objects.get().pk], reason=CancelReason.OPERATOR, by="wang", at=timezone.now()
    )
    unbinding = OutboxMessage.objects.filter(operation="unbind_group")
    unbinding.update(status=OutboxMessage.Status.FAILED, last_error="502", finished_at=timezone.now())
    gateway_sends(bound())
    assert failed.retry_failed(unbinding, at=timezone.now()) == 0
    assert unbinding.get().last_error == "群已重新绑定"
