"""Whether a group takes launches: the launch system hears of it first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, connection, transaction

from accounts.models import User
from config.errors import NotFound, OutsideFailed
from groups.locking import lock_groups
from groups.models import Group
from groups.references import groups_by_reference
from integrations.http import OutsideError
from integrations.launch_system import LaunchSystem
from launches import deliveries, switch_changes

LONGEST_LOCK_WAIT = "300ms"


class SwitchNotSet(OutsideFailed):
    message = "投放开关没有设置成功，请稍后再试"


class SwitchGroupUnknown(NotFound):
    field = "code"
    message = "没有找到这个群"


@dataclass(frozen=True)
class SwitchRequest:
    """What one group's switch shall be."""

    reference: str
    is_on: bool


def set_switches(*, user: User, wanted: Sequence[SwitchRequest], at: datetime) -> bool:
    """Set all of these or none; the last state. 1404 foreign or unknown group, 1101 when the launch system says no.

    A group that is switched off gets nothing more of the launches that are under way, either.
    """
    groups = groups_by_reference(Group.objects.own_of(user), [one.reference for one in wanted])
    if any(one.reference not in groups for one in wanted):
        raise SwitchGroupUnknown
    states = {groups[one.reference].code: one.is_on for one in wanted}  # the last word on a group counts
    switch_changes.record_changes(
        states, at=at, due_at=at + switch_changes.LEASE
    )  # if the answer, or this process, gets lost
    with transaction.atomic():
        _lock_switches(sorted(states))
        _send_states(states)
        # A launch that is being received meanwhile comes first. A group that ended meanwhile keeps its own note.
        locked = lock_groups(group.pk for group in groups.values())
        served = [group for group in locked if group.cancelled_at is None]
        off = [group.code for group in served if not states[group.code]]
        own = Group.objects.filter(pk__in=[group.pk for group in served])
        own.filter(code__in=off).update(launch_switch=False)
        own.exclude(code__in=off).update(launch_switch=True)
        deliveries.skip_switched_off(off, at=at)
        switch_changes.discard_changes([group.code for group in served])
    return wanted[-1].is_on


def _lock_switches(group_codes: Sequence[str]) -> None:
    """Lock these groups' switches: both sides end up with the same state when two calls about a group come at once.

    Whoever waits holds a thread of the web server while the launch system answers somebody else, so nobody waits long.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LONGEST_LOCK_WAIT}'")
        try:
            for group_code in group_codes:
                cursor.execute(
                    "SELECT pg_advisory_xact_lock(hashtext('launch_switch'), hashtext(%s))", [group_code]
                )
        except OperationalError as error:
            raise SwitchNotSet from error
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")


def _send_states(states: dict[str, bool]) -> None:
    try:
        LaunchSystem.from_settings().set_switches(states)
    except OutsideError as error:
        raise SwitchNotSet from error
