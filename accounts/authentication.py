"""Who calls: a user with an access token."""

from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import User


class UserAuthentication(JWTAuthentication):
    """The header `Authorization: Bearer <access_token>`."""

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def signed_in(request: Request) -> User:
    """The user of a request that `IsUser` let in."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def issue_token(user: User) -> str:
    """An access token of one hour for this user."""
    return str(AccessToken.for_user(user))
