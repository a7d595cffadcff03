"""Operators' sessions in the database, which tell a database that is away from a session that was ended."""

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import InterfaceError, OperationalError


class SessionStore(db.SessionStore):
    """Django's own, but for saving while the database is away.

    Django takes every failure for a session that somebody ended meanwhile, and answers 400.
    """

    def save(self, must_create: bool = False) -> None:
        """Save the session. Raises OperationalError or InterfaceError when the database is away."""
        try:
            super().save(must_create)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError | InterfaceError):
                raise error.__context__ from None
            raise
