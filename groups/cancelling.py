"""How a group leaves: it is out of every list and every future send at once."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from groups.locking import lock_groups
from groups.models import CancelReason, Group
from robots import outbox, pool


def cancel(*, group_ids: Iterable[UUID], reason: CancelReason, by: str, at: datetime) -> int:
    """Cancel these groups; those already cancelled are passed over. How many were cancelled."""
    with transaction.atomic():
        groups = [group for group in lock_groups(group_ids) if group.cancelled_at is None]
        Group.objects.filter(pk__in=[group.pk for group in groups]).update(
            cancelled_at=at, cancelled_by=by, cancel_reason=reason, robot_is_in=False
        )
        _silence(groups, reason, at)
        pool.release_groups(dict(Counter(group.robot_id for group in groups)))
    return len(groups)


def _silence(groups: list[Group], reason: CancelReason, at: datetime) -> None:
    """Close what was still to be said there, then ask the gateway to leave (a banned robot cannot)."""
    outbox.close_waiting(group_codes=[group.code for group in groups], reason=f"群已注销:{reason.label}", at=at)
    if reason == CancelReason.ROBOT_BANNED:
        return
    outbox.post_all(
        [
            outbox.request(
                outbox.Operation.UNBIND_GROUP,
                robot=group.robot,
                group_code=group.code,
                content={"reason": str(reason.label)},
                cause=f"group_cancelled:{group.pk}",
                at=at,
            )
            for group in groups
            if group.robot.is_working
        ]
    )
