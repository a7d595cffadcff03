"""Switches by which users turn launches to their groups on and off; the launch system is called first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import OperationalError, transaction

from accounts.models import User
from config.errors import NotFound, OutsideFailed
from config.platform import db
from config.platform.locks import take_lock
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
    """The requested state of one group's switch."""

    reference: str
    is_on: bool


def set_switches(*, user: User, requests: Sequence[SwitchRequest], at: datetime) -> bool:
    """Set all of these switches or none. Returns the last state.

    A group that is switched off gets no further messages of running launches either. Raises 1404 for an unknown group or
    another user's, 1101 when the launch system does not accept the states.
    """
    groups = groups_by_reference(Group.objects.own_of(user), [request.reference for request in requests])
    if any(request.reference not in groups for request in requests):
        raise SwitchGroupUnknown
    # Of several requests for one group the last counts.
    states = {groups[request.reference].code: request.is_on for request in requests}
    # The change is reported again after a minute if the answer, or this process, is lost.
    switch_changes.record_changes(states, at=at, next_attempt_at=at + switch_changes.LEASE)
    with transaction.atomic():
        _lock_switches(sorted(states))
        _send_states(states)
        # The lock waits for a launch that is being received. A group cancelled in the meantime keeps its own change.
        locked = lock_groups(group.pk for group in groups.values())
        served = [group for group in locked if group.cancelled_at is None]
        off = [group.code for group in served if not states[group.code]]
        own = Group.objects.filter(pk__in=[group.pk for group in served])
        own.filter(code__in=off).update(launch_switch=False)
        own.exclude(code__in=off).update(launch_switch=True)
        deliveries.skip_switched_off(off, at=at)
        switch_changes.discard_changes([group.code for group in served])
    return requests[-1].is_on


def _lock_switches(group_codes: Sequence[str]) -> None:
    """Lock these groups' switches, so that two requests at once leave the same state here and in the launch system.

    A request that waits keeps a thread of the web server while the launch system answers another request, so it waits at
    most LONGEST_LOCK_WAIT. Raises SwitchNotSet (1101).
    """
    db.execute(f"SET LOCAL lock_timeout = '{LONGEST_LOCK_WAIT}'")
    try:
        for group_code in group_codes:
            take_lock(switch_changes.SWITCH, group_code)
    except OperationalError as error:
        raise SwitchNotSet from error
    db.execute("SET LOCAL lock_timeout TO DEFAULT")


def _send_states(states: dict[str, bool]) -> None:
    try:
        LaunchSystem.from_settings().set_switches(states)
    except OutsideError as error:
        raise SwitchNotSet from error
