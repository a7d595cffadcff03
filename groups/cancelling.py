"""How a group leaves: it is out of every list and every future send at once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from groups.locking import lock_groups
from groups.models import CancelReason, Group
from groups.signals import launch_switches_changed
from robots import pool
from robots.outbox import writing


def cancel(*, group_ids: Iterable[UUID], reason: CancelReason, by: str, at: datetime) -> int:
    """Cancel these groups; those already cancelled are passed over. How many were cancelled."""
    return cancel_each(dict.fromkeys(group_ids, reason), by=by, at=at)


def cancel_each(reasons: Mapping[UUID, CancelReason], *, by: str, at: datetime) -> int:
    """The same, each group for its own reason."""
    ended: dict[CancelReason, list[Group]] = defaultdict(list)
    with transaction.atomic():
        for group in lock_groups(reasons):
            if group.cancelled_at is None:
                ended[reasons[group.pk]].append(group)
        for reason, groups in ended.items():
            Group.objects.filter(pk__in=[group.pk for group in groups]).update(
                cancelled_at=at, cancelled_by=by, cancel_reason=reason, robot_is_in=False
            )
        _close_messages_and_unbind(ended, at)
        groups = [group for those in ended.values() for group in those]
        pool.release_groups(dict(Counter(group.robot_id for group in groups)))
        if off := [group.code for group in groups if group.launch_switch]:
            launch_switches_changed.send(Group, group_codes=off, at=at)
    return len(groups)


def _close_messages_and_unbind(ended: Mapping[CancelReason, Sequence[Group]], at: datetime) -> None:
    """Close what was still to be said there, then ask the gateway to leave (a robot that is gone cannot)."""
    endings = [
        writing.Ending(f"群已注销:{reason.label}", group_codes=[group.code for group in groups])
        for reason, groups in ended.items()
    ]
    writing.close(*endings, at=at)
    writing.post_all(
        [
            writing.request(
                writing.Operation.UNBIND_GROUP,
                robot=group.robot,
                group_code=group.code,
                content={"reason": str(reason.label)},
                cause=f"group_cancelled:{group.pk}",
                at=at,
            )
            for reason, groups in ended.items()
            for group in groups
            if group.robot.is_working
        ]
    )
