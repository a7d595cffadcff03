"""Authentication of users by an access token."""

from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import Token

from accounts.models import User
from accounts.tokens import UserToken, verified_token
from config.api.authentication import UnconfirmedUser
from config.platform.lookups import as_uuid
from config.platform.prepared import prepared


@prepared
def _signed_in_user(user_id: UUID, issued_at: datetime) -> QuerySet[User]:
    return User.objects.signed_in(user_id, issued_at)


class TokenUser(UnconfirmedUser):
    """The user that a valid token names.

    The token may outlive the user's right to use it: a statement confirms that the user is active and has not signed out
    since. `load` is that statement; the statements of `accounts.queries` do it beside their own work.
    """

    def __init__(self, token: Token) -> None:
        """Raises AuthenticationFailed for a token that names no user."""
        user_id = as_uuid(token.get("user_id"))
        if user_id is None:
            raise AuthenticationFailed
        self.pk = user_id
        self.issued_at = datetime.fromtimestamp(token.get("iat", 0), UTC)
        self._user: User | None = None

    def confirm(self, is_signed_in: bool) -> None:
        """Take over what a statement found. Raises AuthenticationFailed when the user may not use the token any more."""
        if not is_signed_in:
            raise AuthenticationFailed
        self.is_confirmed = True

    def load(self) -> User:
        """Return the user. Raises AuthenticationFailed when the user may not use the token any more."""
        if self._user is None:
            found = _signed_in_user.objects(self.pk, self.issued_at)
            self.confirm(bool(found))
            self._user = cast(User, found[0])
        return self._user

    @property
    def is_blocked(self) -> bool:
        return self.load().is_blocked


class UserAuthentication(JWTAuthentication):
    """Authentication by the header `Authorization: Bearer <access_token>`.

    An operation named in `confirms_user` of its view gets a `TokenUser`, every other one the confirmed `User`.
    """

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        header = self.get_header(request)
        raw = None if header is None else self.get_raw_token(header)
        if raw is None:
            return None
        token = self.get_validated_token(raw)
        user, view = TokenUser(token), (request.parser_context or {}).get("view")
        return (user if getattr(view, "action", None) in getattr(view, "confirms_user", ()) else user.load()), token

    def get_raw_token(self, header: bytes) -> bytes | None:
        """Return the token of a header. The scheme is case-insensitive (RFC 9110, 11.1)."""
        scheme, *rest = header.split() or [b""]
        return super().get_raw_token(b" ".join([b"Bearer", *rest]) if scheme.lower() == b"bearer" else header)

    def get_validated_token(self, raw_token: bytes) -> Token:
        try:
            return verified_token(raw_token)
        except TokenError as error:
            raise InvalidToken from error

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def signed_in(request: Request) -> User:
    """Return the user of a request that the permission `IsUser` accepted. Raises NotAuthenticated for any other."""
    user = request.user.load() if isinstance(request.user, TokenUser) else request.user
    if not isinstance(user, User):
        raise NotAuthenticated
    return user


def token_user(request: Request) -> TokenUser:
    """Return the user of an operation that confirms the user itself."""
    if not isinstance(request.user, TokenUser):
        raise NotAuthenticated
    return request.user


def issue_token(user: User, *, at: datetime | None = None) -> str:
    """Return a new access token, issued at that moment. settings.SIMPLE_JWT has its lifetime."""
    token = UserToken.for_user(user)
    if at is not None:
        token.set_iat(at_time=at)
    return str(token)
