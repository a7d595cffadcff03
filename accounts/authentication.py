"""Authentication of users by an access token."""

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
    """Authentication by the header `Authorization: Bearer <access_token>`."""

    def get_raw_token(self, header: bytes) -> bytes | None:
        """Return the token of a header. The scheme is case-insensitive (RFC 9110, 11.1)."""
        scheme, *rest = header.split() or [b""]
        return super().get_raw_token(b" ".join([b"Bearer", *rest]) if scheme.lower() == b"bearer" else header)

    def get_user(self, validated_token: Token) -> Any:
        """Return the user of a token.

        Raises AuthenticationFailed when the token names no user, a user who has signed out since, or an operator:
        operators have sessions.
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
    """Return the user of a request that the permission `IsUser` accepted. Raises NotAuthenticated for any other."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def issue_token(user: User, *, at: datetime | None = None) -> str:
    """Return a new access token, issued at that moment. settings.SIMPLE_JWT has its lifetime."""
    token = UserToken.for_user(user)
    if at is not None:
        token.set_iat(at_time=at)
    return str(token)
