"""What happens to people, told to the rooms above, inside the transaction."""

from django.dispatch import Signal

# user, by: str, at: datetime, reason: str
user_blocked = Signal()
