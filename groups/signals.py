"""What happens to groups, told to the rooms above, inside the transaction."""

from django.dispatch import Signal

# group_codes: list[str], at: datetime. Whether these groups take launches changed, and not by their users, who tell the
# launch system first. The groups are locked.
launch_switches_changed = Signal()
