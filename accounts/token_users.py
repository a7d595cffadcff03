"""The user that an access token names, before and after a statement has confirmed the user."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from config.errors import SignedOut
from config.platform.prepared import prepared


@prepared
def _signed_in_user(user_id: UUID, issued_at: datetime) -> QuerySet[User]:
    return User.objects.signed_in(user_id, issued_at)


@prepared
def _blocked_at(user_id: UUID, issued_at: datetime) -> QuerySet[Any, Any]:
    return User.objects.signed_in(user_id, issued_at).values_list("blocked_at")


class TokenUser:
    """The user that a valid token names.

    The token may outlive the user's right to use it: a statement confirms that the user is active and has not signed out
    since. `load` runs it; the statements of `accounts.queries` do the same beside their own work.
    """

    is_staff = is_confirmed = False
    is_authenticated = True

    def __init__(self, user_id: UUID, issued_at: datetime) -> None:
        self.pk, self.issued_at = user_id, issued_at
        self._user: User | None = None

    def confirm(self, is_signed_in: bool) -> None:
        """Take over what a statement found. Raises SignedOut when the user may not use the token any more."""
        if not is_signed_in:
            raise SignedOut
        self.is_confirmed = True

    def load(self) -> User:
        """Return the user. Raises SignedOut when the user may not use the token any more."""
        if self._user is None:
            found = _signed_in_user.objects(self.pk, self.issued_at)
            self.confirm(bool(found))
            self._user = cast(User, found[0])
        return self._user

    @property
    def is_blocked(self) -> bool:
        """Return whether the user is blocked. Raises SignedOut when the user may not use the token any more."""
        found = _blocked_at.rows(self.pk, self.issued_at)
        self.confirm(bool(found))
        return found[0][0] is not None
