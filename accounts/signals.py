"""Signals about users for the apps above, sent inside the transaction."""

from django.dispatch import Signal

# users: locked, in primary-key order; by: str, at: datetime, reason: str
users_blocked = Signal()

# user: User, pseudonym: str that replaces the person's gateway code, gives_up_balance: bool, by: str, at: datetime. Each
# app erases its own personal data; an app with something unfinished for the user raises CannotErase.
user_erased = Signal()
