"""Who calls: a user with an access token."""

from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import Token

from accounts.models import User
from accounts.tokens import UserToken


class UserAuthentication(JWTAuthentication):
    """The header `Authorization: Bearer <access_token>`."""

    def get_raw_token(self, header: bytes) -> bytes | None:
        """Return the token of a header. The scheme is a word of HTTP, which has no case (RFC 9110, 11.1)."""
        scheme, *rest = header.split() or [b""]
        return super().get_raw_token(b" ".join([b"Bearer", *rest]) if scheme.lower() == b"bearer" else header)

    def get_user(self, validated_token: Token) -> Any:
        """Return the user whom a token names.

        Raises AuthenticationFailed when it names nobody, somebody who has signed out since, or an operator: operators
        have sessions.
        """
        try:
            user = super().get_user(validated_token)
        except (ValidationError, ValueError, TypeError) as error:  # an id that is no id
            raise AuthenticationFailed from error
        if isinstance(user, User) and (user.is_staff or _is_outdated(validated_token, user.signed_out_at)):
            raise AuthenticationFailed
        return user

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _is_outdated(token: Token, signed_out_at: datetime | None) -> bool:
    issued_at: float = token.get("iat", 0)
    return signed_out_at is not None and issued_at <= signed_out_at.timestamp()


def signed_in(request: Request) -> User:
    """The user of a request that `IsUser` let in."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def issue_token(user: User, *, at: datetime | None = None) -> str:
    """Return a new access token, for what was known at that moment (settings.SIMPLE_JWT says for how long)."""
    token = UserToken.for_user(user)
    if at is not None:
        token.set_iat(at_time=at)
    return str(token)
