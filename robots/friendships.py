"""Friendships between users and robots in WeChat."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from accounts.models import User
from robots.models import Friendship, Robot

WORKING = (Robot.Status.ASSIGNABLE, Robot.Status.UNASSIGNABLE)


def befriend(*, robot: Robot, user: User, at: datetime) -> bool:
    """Store that the user added the robot. Returns whether the friendship is new."""
    _, is_new = Friendship.objects.get_or_create(robot=robot, user=user, defaults={"befriended_at": at})
    return is_new


def latest_robot_of(user: User) -> Robot | None:
    """Return the working robot that the user added last, through which messages to the user go."""
    friendship = (
        Friendship.objects.filter(user=user, robot__status__in=WORKING)
        .select_related("robot")
        .order_by("-befriended_at", "-pk")
        .first()
    )
    return friendship.robot if friendship else None


def working_robots_of(user: User) -> list[Robot]:
    """Return the working robots that the user added, the last one first."""
    friendships = Friendship.objects.filter(user=user, robot__status__in=WORKING).select_related("robot")
    return [friendship.robot for friendship in friendships.order_by("-befriended_at", "-pk")]


def robots_to_speak_through(user_ids: Iterable[UUID]) -> dict[UUID, Robot]:
    """Return the working robot that each of these users added last. Users without one, or without a code, are left out."""
    latest = (
        Friendship.objects.filter(user__in=list(user_ids), user__code__isnull=False, robot__status__in=WORKING)
        .select_related("robot")
        .order_by("user_id", "-befriended_at", "-pk")
        .distinct("user_id")
    )
    return {friendship.user_id: friendship.robot for friendship in latest}
