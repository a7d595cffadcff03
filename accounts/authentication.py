"""Authentication of users by an access token."""

from datetime import UTC, datetime
from typing import Any

from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError
from rest_framework_simplejwt.tokens import Token

from accounts.models import User
from accounts.token_users import TokenUser
from accounts.tokens import UserToken, verified_token
from config.platform.lookups import as_uuid


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
        user, view = _user_of(token), (request.parser_context or {}).get("view")
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


def _user_of(token: Token) -> TokenUser:
    """Return the user that the token names. Raises AuthenticationFailed when it names none."""
    user_id = as_uuid(token.get("user_id"))
    if user_id is None:
        raise AuthenticationFailed
    return TokenUser(user_id, datetime.fromtimestamp(token.get("iat", 0), UTC))


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
