"""Who added which robot."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from accounts.models import User
from robots.models import Friendship, Robot

WORKING = (Robot.Status.ASSIGNABLE, Robot.Status.UNASSIGNABLE)


def befriend(*, robot: Robot, user: User, at: datetime) -> bool:
    """Note that the user added the robot; false when they were friends already."""
    _, is_new = Friendship.objects.get_or_create(robot=robot, user=user, defaults={"befriended_at": at})
    return is_new


def latest_robot_of(user: User) -> Robot | None:
    """The working robot that the user added last: the one to speak to them through."""
    friendship = (
        Friendship.objects.filter(user=user, robot__status__in=WORKING)
        .select_related("robot")
        .order_by("-befriended_at", "-pk")
        .first()
    )
    return friendship.robot if friendship else None


def working_robots_of(user: User) -> list[Robot]:
    """All working robots that the user added, the last one first."""
    friendships = Friendship.objects.filter(user=user, robot__status__in=WORKING).select_related("robot")
    return [friendship.robot for friendship in friendships.order_by("-befriended_at", "-pk")]


def robots_to_speak_through(user_ids: Iterable[UUID]) -> dict[UUID, Robot]:
    """For each of these users the working robot added last; who has none, or no code to be spoken to by, is left out."""
    latest = (
        Friendship.objects.filter(user__in=list(user_ids), user__code__isnull=False, robot__status__in=WORKING)
        .select_related("robot")
        .order_by("user_id", "-befriended_at", "-pk")
        .distinct("user_id")
    )
    return {friendship.user_id: friendship.robot for friendship in latest}
