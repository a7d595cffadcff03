"""A banned robot: its groups end, are remembered, and their owners are told who takes over."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from groups import cancelling
from groups.locking import lock_groups
from groups.models import CancelReason, Group
from robots import outbox, roster
from robots.friendships import robots_to_speak_through
from robots.models import Robot


def ban(robot: Robot, *, at: datetime) -> int:
    """A robot was banned: what it had to say is closed, every group of it ends; how many groups."""
    serving = Group.objects.active().filter(robot=robot)
    with transaction.atomic():
        codes = [group.code for group in lock_groups(serving.values_list("pk", flat=True))]
        reason = "机器人被封号"
        outbox.close(outbox.Ending(reason, robot=robot), outbox.Ending(reason, group_codes=codes), at=at)
        roster.ban(robot, at=at)
        # Read again, now that it binds none any more: one bound a moment ago is locked after its robot, out of order.
        # Should that ever meet a cancelling of this very group, the inbox tries again.
        ids = list(serving.values_list("pk", flat=True))
        return cancelling.cancel(group_ids=ids, reason=CancelReason.ROBOT_BANNED, by="网关", at=at)


def remembered() -> QuerySet[Group]:
    """Groups of banned robots whose owners have not heard who takes over."""
    return Group.objects.filter(cancel_reason=CancelReason.ROBOT_BANNED, replacement_told_at=None)


def note_replacement(new: Robot, *, at: datetime) -> int:
    """Note which banned robots a new one replaces: those whose groups' owners have not heard of one. How many."""
    waiting = remembered().values("robot")
    replaced = Robot.objects.filter(pk__in=waiting, banned_at__isnull=False, replaced_by=None).exclude(pk=new.pk)
    return replaced.update(replaced_by=new, replaced_at=at)


def tell_owners(*, name: str, qr_code_url: str, cause: str, at: datetime) -> int:
    """Tell the owners of remembered groups about the new robot, once, through a robot they know; how many owners."""
    served_again = Exists(Group.objects.active().filter(code=OuterRef("code")))
    with transaction.atomic():
        remembered().filter(served_again).update(replacement_told_at=at)  # nothing is left to be done about these
        groups = list(
            remembered().select_for_update(of=("self",), skip_locked=True).select_related("user").order_by("pk")
        )
        robots = robots_to_speak_through({group.user_id for group in groups})
        owners = {group.user_id: group.user for group in groups if group.user_id in robots}
        letters = []
        for user_id, user in owners.items():
            names = "、".join(group.name or group.code for group in groups if group.user_id == user_id)
            words = f"原来的机器人不能用了,请添加「{name}」并把它拉进这些群:{names}"
            contents: list[Any] = [outbox.text(words), *([outbox.image(qr_code_url)] if qr_code_url else [])]
            letters += [
                outbox.private_message(
                    robot=robots[user_id], user_code=str(user.code), content=content, cause=cause, at=at
                )
                for content in contents
            ]
        outbox.post_all(letters)
        told = [group.pk for group in groups if group.user_id in owners]
        Group.objects.filter(pk__in=told).update(replacement_told_at=at)
    return len(owners)
