"""Reporting of switches that changed without their users to the launch system, repeated until it accepts.

A change is stored in the transaction that makes it. The report contains the state that the switch has at that time, under
the lock of `launches.launch_switches`, so that both sides end up with the same state whatever changes it in between.
"""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from config.platform import db
from config.platform.locks import take_free_locks
from config.platform.sweeps import sweep
from config.platform.wakeups import start_soon
from groups.models import Group
from integrations.http import OutsideError, Refused
from integrations.launch_system import LaunchSystem
from launches.launch_results import BACKOFF
from launches.models import SwitchChange

logger = logging.getLogger(__name__)

SWITCH = "launch_switch"  # the lock of a switch, with the group's code as its key
REPORT_SWITCHES = "launches.tasks.report_switches"
BATCH = 100
LEASE = timedelta(minutes=1)  # longer than a call that times out

# Rows are written in one order, so that two transactions with the same groups do not deadlock.
_RECORD = """
INSERT INTO launches_switchchange (group_code, changed_at, next_attempt_at, attempts)
SELECT code, clock_timestamp(), %(due)s, 0 FROM unnest(%(codes)s::text[]) AS t(code) ORDER BY code
ON CONFLICT (group_code) DO UPDATE SET changed_at = EXCLUDED.changed_at, next_attempt_at = EXCLUDED.next_attempt_at, attempts = 0
"""
_FINISH = """
DELETE FROM launches_switchchange c USING unnest(%s::bigint[], %s::timestamptz[]) AS done(id, changed_at)
WHERE c.id = done.id AND c.changed_at = done.changed_at
"""


def record_changes(group_codes: Collection[str], *, at: datetime, next_attempt_at: datetime | None = None) -> None:
    """Have these switches reported to the launch system, at once or from `next_attempt_at` on, in the caller's transaction."""
    with transaction.atomic():
        db.execute(_RECORD, {"codes": sorted(set(group_codes)), "due": next_attempt_at or at})
        if next_attempt_at is None:
            start_soon(REPORT_SWITCHES)


def discard_changes(group_codes: Collection[str]) -> None:
    """Delete the changes of these switches, whose states the caller has just reported under the lock."""
    SwitchChange.objects.filter(group_code__in=group_codes).delete()


@sweep
def report_due_switches(system: LaunchSystem | None = None) -> int:
    """Report changes that are due, until none is left or the launch system is unavailable. Returns how many it accepted."""
    system, count = system or LaunchSystem.from_settings(), 0
    while batch := _lease_batch(timezone.now()):
        try:
            count += _report(system, batch)
        except Refused as error:
            logger.warning("The launch system refused %s switches: %s", len(batch), error)
            count += _report_each(system, batch)
        except OutsideError:
            break
    return count


def _lease_batch(at: datetime) -> list[SwitchChange]:
    """Lease the next changes. Unless they are accepted they are due again, later each time."""
    due = SwitchChange.objects.filter(next_attempt_at__lte=at).order_by("next_attempt_at", "pk")
    with transaction.atomic():
        batch = list(due.select_for_update(skip_locked=True)[:BATCH])
        for change in batch:
            change.next_attempt_at = at + max(LEASE, BACKOFF.delay_after(change.attempts + 1))
            change.attempts = min(change.attempts + 1, 1000)
        SwitchChange.objects.bulk_update(batch, ["next_attempt_at", "attempts"])
    return batch


def _report_each(system: LaunchSystem, batch: Sequence[SwitchChange]) -> int:
    """Report changes one at a time, so that a refused one stops no other. Stops when the launch system does not answer."""
    count = 0
    if len(batch) > 1:
        for change in batch:
            try:
                count += _report(system, [change])
            except Refused:
                continue
            except OutsideError:
                break
    return count


def _report(system: LaunchSystem, batch: Sequence[SwitchChange]) -> int:
    """Report the present states, except those that users are setting now. Returns how many were accepted."""
    with transaction.atomic():
        free = take_free_locks(SWITCH, sorted(change.group_code for change in batch))
        if not free:
            return 0
        on = Group.objects.active().filter(code__in=free, launch_switch=True).values_list("code", flat=True)
        states = dict.fromkeys(free, False) | dict.fromkeys(on, True)
        system.set_switches(states)
        done = [change for change in batch if change.group_code in states]
        db.execute(_FINISH, [[change.pk for change in done], [change.changed_at for change in done]])
        return len(done)
