"""Access tokens: signed with SECRET_KEY, verified with SECRET_KEY and SECRET_KEY_FALLBACKS."""

from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken
from rest_framework_simplejwt.tokens import AccessToken

from config.platform.signatures import secret_keys

ALGORITHM = str(settings.SIMPLE_JWT["ALGORITHM"])


class RotatingBackend(TokenBackend):
    """A token backend that reads the configured keys at each call."""

    def encode(self, payload: dict[str, Any]) -> str:
        return _backend(settings.SECRET_KEY).encode(payload)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """Return the payload. Raises TokenBackendError when no key signed the token, or it is malformed or expired."""
        *keys, last = secret_keys()
        for key in keys:
            try:
                return _backend(key).decode(token, verify=verify)
            except TokenBackendExpiredToken:
                raise
            except TokenBackendError:
                continue
        return _backend(last).decode(token, verify=verify)


def _backend(key: str) -> TokenBackend:
    return TokenBackend(ALGORITHM, key)


class UserToken(AccessToken):
    """The access token of a user."""

    _token_backend = RotatingBackend(ALGORITHM)
