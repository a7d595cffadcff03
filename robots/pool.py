"""Assignment of robots to users and groups, within quotas that concurrent calls cannot exceed."""

import secrets
import uuid
from collections.abc import Iterable
from datetime import date, datetime

from django.db import transaction
from django.db.models import F, QuerySet

from config.errors import Code, Refusal
from config.platform import db
from config.platform.dates import day_of
from robots.models import MAX_GROUPS, MAX_GROUPS_A_DAY, Robot, RobotDay, RobotQuerySet

SHOWN_PER_QUOTA = 3  # a robot is shown to at most this many people per group of its quota


_RELEASE = """
UPDATE robots_robot SET group_count = group_count - released.count
FROM unnest(%s::uuid[], %s::int[]) AS released (robot_id, count) WHERE id = released.robot_id
"""


class NoRobotFree(Refusal):
    code = Code.NO_ROBOT_FREE
    message = "暂时没有可分配的机器人，请稍后再试"


class RobotUsedUp(Refusal):
    code = Code.NO_ROBOT_FREE
    message = "该机器人今日名额已满，请添加其他机器人"


class RobotGone(Refusal):
    code = Code.NO_ROBOT_FREE
    message = "该机器人已不能使用，请添加其他机器人"


def quota_of(robot: Robot) -> int:
    """Return how many groups a robot may take on in a day that starts now."""
    return max(0, min(MAX_GROUPS_A_DAY, MAX_GROUPS - robot.group_count))


def store_quotas(day: date) -> int:
    """Store the quota of every working robot for that day. A quota that is stored already is kept."""
    robots = Robot.objects.exclude(status__in=[Robot.Status.REMOVED, Robot.Status.BANNED])
    rows = [RobotDay(robot=robot, day=day, quota=quota_of(robot)) for robot in robots]
    return len(RobotDay.objects.bulk_create(rows, ignore_conflicts=True))


def lock_day(robot: Robot, day: date) -> tuple[Robot, RobotDay]:
    """Lock a robot, then its day, in this order everywhere. The day is created if the midnight snapshot has not done so."""
    robot = Robot.objects.select_for_update(no_key=True).get(pk=robot.pk)
    RobotDay.objects.bulk_create([RobotDay(robot=robot, day=day, quota=quota_of(robot))], ignore_conflicts=True)
    return robot, RobotDay.objects.select_for_update(no_key=True).get(robot=robot, day=day)


def take_group(robot: Robot, *, day: date) -> None:
    """Count a newly bound group on the robot and its day. Raises RobotUsedUp when one is full, RobotGone if banned."""
    with transaction.atomic():
        robot, today = lock_day(robot, day)
        if not robot.is_working:
            raise RobotGone
        if robot.group_count >= MAX_GROUPS or today.bound_count >= today.quota:
            raise RobotUsedUp
        Robot.objects.filter(pk=robot.pk).update(group_count=F("group_count") + 1)
        RobotDay.objects.filter(pk=today.pk).update(bound_count=F("bound_count") + 1)


def lock(robots: QuerySet[Robot]) -> list[uuid.UUID]:
    """Lock these robots in primary-key order until the transaction ends. Returns their primary keys."""
    return list(robots.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))


def release_groups(counts: dict[uuid.UUID, int]) -> None:
    """Subtract cancelled groups from each robot's count (by primary key). The day's quota stays used."""
    if not counts:
        return
    with transaction.atomic():
        lock(Robot.objects.filter(pk__in=counts))
        db.execute(_RELEASE, [list(counts), list(counts.values())])


def has_room(robot: Robot, *, day: date) -> bool:
    """Return whether this robot may take on one more group that day."""
    if not robot.is_working or robot.group_count >= MAX_GROUPS:
        return False
    today = RobotDay.objects.filter(robot=robot, day=day).first()
    return today.bound_count < today.quota if today else quota_of(robot) > 0


def _with_room(robots: QuerySet[Robot], day: date) -> list[tuple[int, RobotDay]]:
    """Return (remaining quota, day) of the robots that may be shown to another person, and lock these days."""
    days = RobotDay.objects.select_for_update(of=("self",), no_key=True).filter(robot__in=robots, day=day)
    return [
        (left, today)
        for today in days.select_related("robot").order_by("robot_id")
        if (left := min(today.quota - today.bound_count, MAX_GROUPS - today.robot.group_count)) > 0
        and today.shown_count < today.quota * SHOWN_PER_QUOTA
    ]


def assign(*, channel: str, at: datetime) -> Robot:
    """Return a robot for a new visitor: at random among those of the channel with the most remaining quota."""
    day = day_of(at)
    with transaction.atomic():
        robots = Robot.objects.assignable().filter(channel=channel)
        locked = list(robots.select_for_update(no_key=True).order_by("pk"))
        rows = [RobotDay(robot=robot, day=day, quota=quota_of(robot)) for robot in locked]
        RobotDay.objects.bulk_create(rows, ignore_conflicts=True)
        free = _with_room(robots, day)
        if not free:
            raise NoRobotFree
        largest = max(left for left, _ in free)
        chosen = secrets.choice([today for left, today in free if left == largest])
        RobotDay.objects.filter(pk=chosen.pk).update(shown_count=F("shown_count") + 1)
        return chosen.robot


def recommend(*, channel: str, other_than: Robot, day: date) -> Robot | None:
    """Return the robot of the channel with the most remaining quota that day, None when all others are full."""
    used = dict(RobotDay.objects.filter(day=day).values_list("robot_id", "bound_count"))
    quotas = dict(RobotDay.objects.filter(day=day).values_list("robot_id", "quota"))
    robots = Robot.objects.assignable().filter(channel=channel).exclude(pk=other_than.pk)
    left = {robot: quotas.get(robot.pk, quota_of(robot)) - used.get(robot.pk, 0) for robot in robots}
    return max((robot for robot in left if left[robot] > 0), key=lambda robot: left[robot], default=None)


def places_left(robots: Iterable[Robot], *, day: date) -> dict[uuid.UUID, int]:
    """Return how many more groups each of these robots may take on that day, by primary key."""
    chosen = list(robots)
    days = {row.robot_id: row for row in RobotDay.objects.filter(robot__in=chosen, day=day)}
    left = {
        robot.pk: days[robot.pk].quota - days[robot.pk].bound_count if robot.pk in days else quota_of(robot)
        for robot in chosen
    }
    return {robot.pk: max(0, min(left[robot.pk], MAX_GROUPS - robot.group_count)) for robot in chosen}


def best_of(robots: RobotQuerySet, *, day: date) -> Robot | None:
    """Return the assignable robot of these with the most remaining quota that day, None when all are full."""
    chosen = list(robots.assignable())
    left = places_left(chosen, day=day)
    return max((robot for robot in chosen if left[robot.pk] > 0), key=lambda robot: left[robot.pk], default=None)


def stop_assigning(robot: Robot) -> bool:
    """Make this robot unassignable. Returns whether it was assignable."""
    return bool(Robot.objects.assignable().filter(pk=robot.pk).update(status=Robot.Status.UNASSIGNABLE))
