"""Functions that lock groups.

All code locks in one order, so that no two transactions deadlock: groups by primary key, their users, messages that wait
in the outbox, robots by primary key. Code that writes rows for several groups locks or writes them in that order too:
their foreign keys lock the groups when the transaction commits.
"""

from collections.abc import Iterable
from uuid import UUID

from config.platform import db
from config.platform.locks import take_lock
from groups.models import Group

_LOCK_ROWS = """
SELECT id FROM groups_group WHERE code = ANY(%s) AND cancelled_at IS NULL ORDER BY id FOR KEY SHARE
"""


def lock_rows(group_codes: Iterable[str]) -> set[UUID]:
    """Lock the active groups of these codes against being cancelled until the transaction ends. Returns their ids.

    Code that sends messages to groups calls it. It waits for a cancelling (`lock_groups`), not for other changes.
    """
    return {pk for (pk,) in db.rows(_LOCK_ROWS, [list(group_codes)])}


def lock_groups(ids: Iterable[UUID]) -> list[Group]:
    """Lock these groups for rating or cancelling, in primary-key order. Returns them as read under the lock."""
    return list(
        Group.objects.select_for_update(of=("self",))
        .select_related("robot", "user")
        .filter(pk__in=ids)
        .order_by("pk")
    )


def lock_group_code(group_code: str) -> None:
    """Lock a gateway code until the transaction ends: a first binding has no row to lock yet."""
    take_lock("groups_group", group_code)
