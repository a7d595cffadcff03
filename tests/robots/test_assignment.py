"""Assignment of robots: which visitor gets which robot, and limits that hold under concurrent calls."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from config.platform.dates import day_of
from robots import pool, roster
from robots.models import Robot, RobotDay, Scan
from robots.tasks import snapshot_quotas
from tests.factories.people import GroupFactory, OperatorFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-0000-0000-000000000000"


def scan(name: str = "alice", **fields) -> dict:
    body = {"open_id": f"open-{name}", "union_id": f"union-{name}", "sharing_user_id": "", "channel": "", **fields}
    return ApiClient().post("/robot/distribution", body)


def day_of_robot(robot: Robot, **fields) -> RobotDay:
    return RobotDay.objects.create(robot=robot, day=day_of(timezone.now()), **fields)


def test_a_visitor_gets_a_robot():
    robot = RobotFactory()
    assert scan()["data"] == {
        "head_url": robot.avatar_url,
        "qr_code": robot.qr_code_url,
        "wechat_no": robot.wechat_no,
        "name": robot.name,
    }


def test_the_same_visitor_gets_the_same_robot():
    RobotFactory.create_batch(5)
    assert len({scan()["data"]["wechat_no"] for _ in range(5)}) == 1


def test_a_blank_open_id_does_not_erase_the_known_one():
    RobotFactory()
    scan()
    scan(open_id="")
    assert Scan.objects.get().open_id == "open-alice"


def test_a_visitor_keeps_a_robot_that_became_unassignable():
    robot = RobotFactory()
    scan()
    Robot.objects.filter(pk=robot.pk).update(status=Robot.Status.UNASSIGNABLE)
    RobotFactory()
    assert scan()["data"]["wechat_no"] == robot.wechat_no


@pytest.mark.parametrize("status", [Robot.Status.REMOVED, Robot.Status.BANNED])
def test_a_removed_or_banned_robot_is_replaced(status: int):
    gone = RobotFactory()
    scan()
    Robot.objects.filter(pk=gone.pk).update(status=status, banned_at=timezone.now())
    other = RobotFactory()
    assert scan()["data"]["wechat_no"] == other.wechat_no
    assert Scan.objects.get().robot == other


def test_no_robot_is_1600():
    assert scan()["code"] == 1600


@pytest.mark.parametrize("status", [Robot.Status.UNASSIGNABLE, Robot.Status.REMOVED, Robot.Status.BANNED])
def test_only_assignable_robots_are_given_to_newcomers(status: int):
    RobotFactory(status=status, banned_at=timezone.now())
    assert scan()["code"] == 1600


def test_the_channel_must_be_the_callers():
    RobotFactory(channel="north")
    assert scan(channel="south")["code"] == 1600
    assert scan(channel="")["code"] == 1600
    assert scan(channel="north")["code"] == 1200


def test_robots_with_most_quota_left_come_first():
    RobotFactory(group_count=20)
    roomy = RobotFactory(group_count=3)
    assert {scan(str(n))["data"]["wechat_no"] for n in range(6)} == {roomy.wechat_no}


def test_equals_are_chosen_at_random():
    RobotFactory.create_batch(3)
    assert len({scan(str(n))["data"]["wechat_no"] for n in range(40)}) == 3


def test_a_robot_is_shown_to_three_people_per_group_it_may_take_on():
    RobotFactory(group_count=29)
    codes = [scan(str(n))["code"] for n in range(4)]
    assert codes == [1200, 1200, 1200, 1600]


def test_a_robot_whose_day_is_used_up_is_not_shown():
    robot = RobotFactory()
    day_of_robot(robot, quota=15, bound_count=15)
    assert scan()["code"] == 1600


def test_a_full_robot_is_not_shown():
    robot = RobotFactory(group_count=30)
    day_of_robot(robot, quota=5)
    assert scan()["code"] == 1600


def test_the_midnight_snapshot_gives_each_robot_what_is_left():
    empty, fuller, full = (RobotFactory(group_count=n) for n in (0, 20, 30))
    assert snapshot_quotas() == 3
    quotas = {day.robot: day.quota for day in RobotDay.objects.select_related("robot")}
    assert quotas == {empty: 15, fuller: 10, full: 0}


def test_the_snapshot_keeps_a_quota_that_is_there():
    robot = RobotFactory()
    day_of_robot(robot, quota=7)
    snapshot_quotas()
    assert RobotDay.objects.get(robot=robot).quota == 7


@pytest.mark.parametrize("sharer", ["", None, "null", "undefined", "nobody", NOBODY, 5, {"a": 1}, "x" * 200])
def test_an_unknown_inviter_is_ignored(sharer):
    RobotFactory()
    assert scan(sharing_user_id=sharer)["code"] == 1200
    assert Scan.objects.get().inviter is None


def test_an_operator_invites_nobody():
    RobotFactory()
    scan(sharing_user_id=str(OperatorFactory().pk))
    assert Scan.objects.get().inviter is None


@pytest.mark.parametrize("channel", [None, "null", "undefined", 5, "x" * 65])
def test_an_invalid_channel_means_no_channel(channel):
    robot = RobotFactory(channel="")
    assert scan(channel=channel)["data"]["name"] == robot.name


def test_a_sharer_may_be_named_by_code():
    RobotFactory()
    inviter = UserFactory()
    scan(sharing_user_id=inviter.code)
    assert Scan.objects.get().inviter == inviter


def test_the_first_sharer_stays():
    RobotFactory()
    first, second = UserFactory(), UserFactory()
    scan(sharing_user_id=str(first.pk))
    scan(sharing_user_id=str(second.pk))
    assert Scan.objects.get().inviter == first


def test_nobody_is_their_own_inviter():
    RobotFactory()
    alice = UserFactory(union_id="union-alice")
    scan(sharing_user_id=str(alice.pk))
    assert Scan.objects.get().inviter is None


def test_the_database_refuses_a_31st_group():
    robot = RobotFactory(group_count=30)
    with pytest.raises(IntegrityError, match="robot_serves_at_most_30_groups"), transaction.atomic():
        Robot.objects.filter(pk=robot.pk).update(group_count=31)


def test_the_database_refuses_more_than_the_days_quota():
    day = day_of_robot(RobotFactory(), quota=2, bound_count=2)
    with pytest.raises(IntegrityError, match="bound_within_quota"), transaction.atomic():
        RobotDay.objects.filter(pk=day.pk).update(bound_count=3)


def test_yesterdays_groups_do_not_count_against_today():
    robot = RobotFactory(group_count=15)
    yesterday = day_of(timezone.now() - timedelta(days=1))
    RobotDay.objects.create(robot=robot, day=yesterday, quota=15, bound_count=15)
    assert pool.has_room(robot, day=day_of(timezone.now()))


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_racing_visitors_never_exceed_a_limit():
    RobotFactory(group_count=28)
    RobotFactory(group_count=29)

    def visit(number: int) -> int:
        try:
            return scan(str(number))["code"]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        codes = list(threads.map(visit, range(24)))
    assert sorted(codes) == [1200] * 9 + [1600] * 15
    assert sorted(RobotDay.objects.values_list("quota", "shown_count")) == [(1, 3), (2, 6)]


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_racing_groups_never_exceed_the_quota():
    robot = RobotFactory(group_count=28)
    today = day_of(timezone.now())

    def take(_: int) -> bool:
        try:
            pool.take_group(robot, day=today)
        except pool.RobotUsedUp:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(take, range(16))) == 2
    robot.refresh_from_db()
    assert robot.group_count == 30


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_one_visitor_with_concurrent_calls_gets_one_robot():
    RobotFactory.create_batch(5)

    def visit(_: int) -> str:
        try:
            return scan()["data"]["wechat_no"]
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(visit, range(16)))) == 1
    assert sum(RobotDay.objects.values_list("shown_count", flat=True)) == 1


def test_cancelled_groups_free_the_robot_but_not_its_day():
    robot = RobotFactory()
    day = day_of_robot(robot, quota=15, bound_count=1)
    group = GroupFactory(robot=robot)
    pool.release_groups({group.robot_id: 1})
    robot.refresh_from_db()
    day.refresh_from_db()
    assert (robot.group_count, day.bound_count) == (0, 1)


@pytest.mark.xdist_group("connections")  # not beside the other races on two hundred connections
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_hundred_calls_at_once_never_exceed_a_quota_and_each_person_has_one_robot():
    """A hundred people call twice each, for 21 places: every call has a database connection of its own."""
    for left in (1, 2, 4):
        RobotFactory(group_count=30 - left)
    places = 3 * (1 + 2 + 4)
    gate = threading.Barrier(200)

    def visit(number: int) -> tuple[int, str]:
        gate.wait(60)
        try:
            answer = scan(f"racer-{number % 100}")
            return number % 100, (answer["data"] or {}).get("wechat_no", "none")
        finally:
            connection.close()

    with ThreadPoolExecutor(200) as threads:
        answers = list(threads.map(visit, range(200)))
    got = {person: {robot for who, robot in answers if who == person} for person in range(100)}
    assert sum(robots != {"none"} for robots in got.values()) == places == Scan.objects.count()
    assert all(len(robots) == 1 for robots in got.values())
    assert all(day.shown_count == day.quota * 3 for day in RobotDay.objects.all())


@pytest.fixture
def blocked() -> User:
    return UserFactory(union_id="union-alice", blocked_at=timezone.now(), blocked_by="x")


def test_a_blocked_user_is_given_no_robot(blocked):
    RobotFactory()
    answer = scan()
    assert (answer["code"], "被封" in answer["description"]) == (1401, True)
    assert ApiClient(blocked).get("/robot/show")["code"] == 1401
    assert Scan.objects.count() == 0


def test_a_blocked_user_still_sees_the_robot_that_was_assigned_before(blocked):
    User.objects.update(blocked_at=None, blocked_by="")
    robot = RobotFactory()
    scan()
    User.objects.update(blocked_at=timezone.now())
    assert ApiClient(blocked).get("/robot/show")["data"]["wechat_no"] == robot.wechat_no


class Gateway:
    """A gateway client with a fixed list of robots."""

    def __init__(self, *robots: Any) -> None:
        self.listed = list(robots)

    def robots(self) -> list[Any]:
        return self.listed


def test_of_a_robot_that_the_gateway_lists_twice_the_last_item_counts():
    RobotFactory(code="r1")
    gateway = Gateway({"robot_id": "r1", "name": "旧"}, {"robot_id": "r2"}, {"robot_id": "r1", "name": "新"})
    synced = roster.sync_with_gateway(gateway)
    assert (synced.created, synced.updated) == (1, 1)
    assert Robot.objects.get(code="r1").name == "新"


NAMELESS = [{}, {"robot_id": ""}, {"robot_id": ["r9"]}, {"robot_id": "x" * 129}, "r9", None]


@pytest.mark.parametrize("row", NAMELESS)
def test_an_item_without_a_robot_id_does_not_stop_the_others(row):
    assert roster.sync_with_gateway(Gateway(row, {"robot_id": "r1", "name": "一"})).total == 1
    assert Robot.objects.get().code == "r1"


def test_invalid_values_of_one_robot_do_not_stop_the_others():
    invalid = {
        "robot_id": 1,
        "name": "a\x00b\ud800",
        "wechat_no": ["x"],
        "head_url": "x" * 1025,
        "channel": "c" * 65,
    }
    assert roster.sync_with_gateway(Gateway(invalid, {"robot_id": "r2"})).created == 2
    robot = Robot.objects.get(code="1")
    assert (robot.name, robot.wechat_no, robot.avatar_url, robot.channel) == ("a\ufffdb?", "", "", "c" * 64)
