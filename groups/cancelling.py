"""Cancelling groups: each leaves every list and gets no further message at once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from config.platform.languages import in_product_language
from groups.locking import lock_groups
from groups.models import CancelReason, Group
from groups.signals import launch_switches_changed
from robots import pool
from robots.models import Source, SourceType
from robots.outbox import writing


def cancel_groups(*, group_ids: Iterable[UUID], reason: CancelReason, by: str, at: datetime) -> int:
    """Cancel these groups, except those already cancelled. Returns how many were cancelled."""
    return cancel_each(dict.fromkeys(group_ids, reason), by=by, at=at)


def cancel_each(reasons: Mapping[UUID, CancelReason], *, by: str, at: datetime) -> int:
    """Cancel these groups, each for its own reason. Returns how many were cancelled."""
    cancelled: dict[CancelReason, list[Group]] = defaultdict(list)
    with transaction.atomic():
        for group in lock_groups(reasons):
            if group.cancelled_at is None:
                cancelled[reasons[group.pk]].append(group)
        for reason, groups in cancelled.items():
            Group.objects.filter(pk__in=[group.pk for group in groups]).update(
                cancelled_at=at, cancelled_by=by, cancel_reason=reason, robot_is_in=False
            )
        _close_messages_and_unbind(cancelled, at)
        groups = [group for part in cancelled.values() for group in part]
        pool.release_groups(dict(Counter(group.robot_id for group in groups)))
        if off := [group.code for group in groups if group.launch_switch]:
            launch_switches_changed.send(Group, group_codes=off, at=at)
    return len(groups)


def _close_messages_and_unbind(cancelled: Mapping[CancelReason, Sequence[Group]], at: datetime) -> None:
    """Close the unsent messages of these groups, then ask the gateway to unbind them where the robot still works."""
    endings = [
        writing.Closing(
            f"群已注销：{in_product_language(reason.label)}", group_codes=[group.code for group in groups]
        )
        for reason, groups in cancelled.items()
    ]
    writing.close_messages(*endings, at=at)
    writing.post_all(
        [
            writing.request(
                writing.Operation.UNBIND_GROUP,
                robot=group.robot,
                group_code=group.code,
                content={"reason": in_product_language(reason.label)},
                source=Source(SourceType.GROUP_CANCELLED, str(group.pk)),
                at=at,
            )
            for reason, groups in cancelled.items()
            for group in groups
            if group.robot.is_working
        ]
    )
