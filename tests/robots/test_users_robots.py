"""The robots of a user: which one is shown, the list, and making a robot unassignable."""

import pytest
from django.utils import timezone

from accounts.models import User
from config.models import Scope
from config.platform.dates import day_of
from robots.models import Robot, RobotDay, Scan
from tests.factories.people import FriendshipFactory, RobotFactory
from tests.support.client import ApiClient
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db
Status = Robot.Status


def shown(user: User) -> dict:
    return ApiClient(user).get("/robot/show")


def name_of(answer: dict) -> str:
    return answer["data"]["robot_name"]


def used_up(robot: Robot) -> None:
    RobotDay.objects.create(robot=robot, day=day_of(timezone.now()), quota=5, bound_count=5)


def test_the_befriended_robot_with_most_quota_is_shown(alice):
    fuller = FriendshipFactory(user=alice, robot=RobotFactory(group_count=20)).robot
    roomy = FriendshipFactory(user=alice, robot=RobotFactory(group_count=18)).robot
    RobotFactory()
    assert name_of(shown(alice)) == roomy.name
    RobotDay.objects.create(robot=roomy, day=day_of(timezone.now()), quota=10, bound_count=9)
    assert name_of(shown(alice)) == fuller.name


def test_without_a_befriended_robot_with_quota_the_last_assigned_is_shown(alice):
    used_up(FriendshipFactory(user=alice).robot)
    assigned = RobotFactory(status=Status.UNASSIGNABLE)
    now = timezone.now()
    Scan.objects.create(union_id=alice.union_id, open_id="o", robot=assigned, scanned_at=now, assigned_at=now)
    assert name_of(shown(alice)) == assigned.name


def test_a_user_without_a_robot_is_assigned_one_and_keeps_it(alice):
    RobotFactory.create_batch(4)
    assert len({name_of(shown(alice)) for _ in range(5)}) == 1
    assert Scan.objects.get().union_id == alice.union_id


def test_no_robot_at_all_is_1600(alice):
    assert shown(alice)["code"] == 1600


def test_the_list_has_working_befriended_and_assigned_robots(alice):
    friend = FriendshipFactory(user=alice).robot
    now = timezone.now()
    assigned = RobotFactory()
    Scan.objects.create(union_id=alice.union_id, open_id="o", robot=assigned, scanned_at=now, assigned_at=now)
    FriendshipFactory(user=alice, robot=RobotFactory(status=Status.REMOVED))
    RobotFactory()
    listed = ApiClient(alice).get("/user/robots")["data"]
    assert {robot["id"] for robot in listed} == {str(friend.pk), str(assigned.pk)}


def test_the_list_takes_one_query(alice, django_assert_num_queries):
    FriendshipFactory.create_batch(10, user=alice)
    client = ApiClient(alice)
    with django_assert_num_queries(2):  # the user, and the list
        assert len(client.get("/user/robots")["data"]) == 10


@pytest.mark.parametrize("by", ["pk", "code"])
def test_a_robot_is_made_unassignable_by_id_or_code(by: str):
    robot = RobotFactory()
    system = key_with(Scope.ROBOTS_WRITE)
    body = {"robot_id": str(getattr(robot, by))}
    assert [system.post("/robot/undistributable", body)["code"] for _ in range(2)] == [1200, 1200]
    robot.refresh_from_db()
    assert robot.status == Status.UNASSIGNABLE


@pytest.mark.parametrize("status", [Status.REMOVED, Status.BANNED])
def test_a_removed_or_banned_robot_keeps_its_status(status: int):
    robot = RobotFactory(status=status, banned_at=timezone.now())
    key_with(Scope.ROBOTS_WRITE).post("/robot/undistributable", {"robot_id": robot.code})
    robot.refresh_from_db()
    assert robot.status == status
