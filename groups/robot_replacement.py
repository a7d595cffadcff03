"""Replacing banned robots: their groups are cancelled, and the owners are notified of the new robot."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import User
from config.platform.dates import day_of
from groups import cancelling
from groups.locking import lock_groups
from groups.models import CancelReason, Group
from robots import pool, roster
from robots.friendships import robots_to_speak_through
from robots.models import OutboxMessage, Robot, Source
from robots.outbox import writing


def ban_robot(robot: Robot, *, at: datetime) -> int:
    """Ban a robot: close its unsent messages and cancel its groups. Returns how many groups were cancelled."""
    serving = Group.objects.active().filter(robot=robot)
    with transaction.atomic():
        codes = [group.code for group in lock_groups(serving.values_list("pk", flat=True))]
        reason = "机器人被封号"
        writing.close_messages(
            writing.Closing(reason, robot=robot), writing.Closing(reason, group_codes=codes), at=at
        )
        roster.ban(robot, at=at)
        # The groups are read again, now that a banned robot binds no more: a group bound a moment ago is locked after its
        # robot, against the order of locks. If that deadlocks with a cancelling of this group, the inbox tries again.
        ids = list(serving.values_list("pk", flat=True))
        return cancelling.cancel_groups(group_ids=ids, reason=CancelReason.ROBOT_BANNED, by="网关", at=at)


def awaiting_replacement_notice() -> QuerySet[Group]:
    """Return the groups of banned robots whose owners were not yet notified of a new robot."""
    return Group.objects.filter(cancel_reason=CancelReason.ROBOT_BANNED, replacement_notified_at=None)


def record_replacement(new: Robot, *, banned_code: str, at: datetime) -> int:
    """Record which banned robots a new one replaces. Returns how many.

    It replaces the robot of this code or, when no banned robot has it, the robots whose owners await a replacement.
    """
    banned = Robot.objects.filter(banned_at__isnull=False).exclude(pk=new.pk)
    with_code = banned.filter(code=banned_code)
    replaced = (
        with_code if with_code.exists() else banned.filter(pk__in=awaiting_replacement_notice().values("robot"))
    )
    return replaced.filter(replaced_by=None).update(replaced_by=new, replaced_at=at)


@dataclass(frozen=True)
class NotifiedOwners:
    """Numbers of owners who were notified of the new robot, and of owners whom no robot reaches."""

    reached: int
    not_reached: int

    def __str__(self) -> str:
        text = f"已通知 {self.reached} 位群主"
        return (
            f"{text}，{self.not_reached} 位没有可用的机器人，等他们添加机器人时再通知" if self.not_reached else text
        )


def notify_owners(*, name: str, qr_code_url: str, source: Source, at: datetime) -> NotifiedOwners:
    """Notify the owners of groups of banned robots, once, of the new robot, through a robot that they have added."""
    with transaction.atomic():
        groups = _lock_groups_to_notify(awaiting_replacement_notice(), at)
        robots = robots_to_speak_through({group.user_id for group in groups})
        messages: list[OutboxMessage] = []
        for user, names in _by_owner(groups):
            if user.pk in robots:
                text = f"原来的机器人不能用了，请添加「{name}」并把它拉进这些群：{names}"
                messages += _private_messages(robots[user.pk], user, text, qr_code_url, source, at)
        writing.post_all(messages)
        _mark_notified([group for group in groups if group.user_id in robots], at)
    owners = {group.user_id for group in groups}
    return NotifiedOwners(len(robots), len(owners) - len(robots))


def notify_owner_with_new_robot(*, user: User, robot: Robot, source: Source, at: datetime) -> bool:
    """Notify an owner of groups of banned robots who has added a robot. Returns False when no group awaits one.

    Owners who had added only the banned robot could not be reached before.
    """
    if (
        not robot.is_working
        or user.is_blocked
        or not user.code
        or not awaiting_replacement_notice().filter(user=user).exists()
    ):
        return False
    with transaction.atomic():
        groups = _lock_groups_to_notify(awaiting_replacement_notice().filter(user=user), at)
        other = None
        if not pool.has_room(robot, day=day_of(at)):
            other = pool.recommend(channel=robot.channel, other_than=robot, day=day_of(at))
        for owner, names in _by_owner(groups):
            request = f"请添加「{other.name}」并把它拉进这些群" if other else "请把我拉进这些群"
            text = f"原来的机器人不能用了，{request}：{names}"
            picture = other.qr_code_url if other else ""
            writing.post_all(_private_messages(robot, owner, text, picture, source, at))
        _mark_notified(groups, at)
    return bool(groups)


def _lock_groups_to_notify(waiting: QuerySet[Group], at: datetime) -> list[Group]:
    """Lock the groups whose owners are to be notified. Groups that are served again are marked as notified instead."""
    served_again = Exists(Group.objects.active().filter(code=OuterRef("code")))
    waiting.filter(served_again).update(replacement_notified_at=at)
    locked = waiting.select_for_update(of=("self",), skip_locked=True)
    return list(locked.select_related("user").order_by("pk"))


def _by_owner(groups: Iterable[Group]) -> list[tuple[User, str]]:
    """Return each owner with the names of their groups."""
    names: dict[User, list[str]] = defaultdict(list)
    for group in groups:
        names[group.user].append(group.name or group.code)
    return [(user, "、".join(group_names)) for user, group_names in names.items()]


def _private_messages(
    robot: Robot, user: User, text: str, picture: str, source: Source, at: datetime
) -> list[OutboxMessage]:
    contents: list[Any] = [writing.text(text), *([writing.image(picture)] if picture else [])]
    return [
        writing.private_message(robot=robot, user_code=str(user.code), content=content, source=source, at=at)
        for content in contents
    ]


def _mark_notified(groups: Iterable[Group], at: datetime) -> None:
    Group.objects.filter(pk__in=[group.pk for group in groups]).update(replacement_notified_at=at)
