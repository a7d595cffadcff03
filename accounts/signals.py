"""What happens to people, told to the rooms above, inside the transaction."""

from django.dispatch import Signal

# users: locked, in primary-key order; by: str, at: datetime, reason: str
users_blocked = Signal()
