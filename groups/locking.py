"""The one way to lock groups."""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from groups.models import Group


def lock_groups(ids: Iterable[UUID]) -> list[Group]:
    """Lock these groups, in primary-key order, and read them afresh."""
    return list(
        Group.objects.select_for_update(of=("self",))
        .select_related("robot", "user")
        .filter(pk__in=ids)
        .order_by("pk")
    )


def one_at_a_time(group_code: str) -> None:
    """Hold a gateway code until the transaction ends: a first binding has no row to lock yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('groups_group'), hashtext(%s))", [group_code])
