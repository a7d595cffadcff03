"""Signals of groups for higher apps, sent inside the transaction."""

from django.dispatch import Signal

# group_codes: list[str], at: datetime. The launch switches of these groups changed by something else than their users'
# requests, which report to the launch system first. The groups are locked.
launch_switches_changed = Signal()
