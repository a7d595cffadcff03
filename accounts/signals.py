"""What happens to people, told to the rooms above, inside the transaction."""

from django.dispatch import Signal

# users: locked, in primary-key order; by: str, at: datetime, reason: str
users_blocked = Signal()

# user: User, pseudonym: str that stands for the person's code, gives_up_balance: bool, by: str, at: datetime. Every room
# erases what of its own names the person; one in which something is under way raises CannotErase.
user_erased = Signal()
