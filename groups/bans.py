"""Bans of groups: a group that was cancelled for a violation is not bound again, until an administrator lifts the ban."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from groups.models import Group


def lift_bans(ids: Iterable[UUID], *, reason: str, by: str, at: datetime) -> int:
    """Lift the bans of these groups, so that they can be bound again. Returns how many of them were banned.

    The ban of a group is that of all its bindings. The rows keep who lifted it, when and why.
    """
    with transaction.atomic():
        banned = Group.objects.banned().filter(pk__in=list(ids))
        codes = list(banned.values_list("code", flat=True))
        rows = Group.objects.banned().filter(code__in=codes).order_by("pk").select_for_update()
        keys = list(rows.values_list("pk", flat=True))
        lifted = {"ban_lifted_at": at, "ban_lifted_by": by, "ban_lifted_reason": reason}
        Group.objects.filter(pk__in=keys).update(**lifted)
    return len(codes)
