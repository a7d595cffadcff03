"""Access tokens: signed under SECRET_KEY, accepted under a key in SECRET_KEY_FALLBACKS too."""

from typing import Any

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken
from rest_framework_simplejwt.tokens import AccessToken

from config.platform.signatures import secret_keys

ALGORITHM = str(settings.SIMPLE_JWT["ALGORITHM"])


class RotatingBackend(TokenBackend):
    """Signs and reads tokens under the keys that are configured when it is asked."""

    def encode(self, payload: dict[str, Any]) -> str:
        return _backend(settings.SECRET_KEY).encode(payload)

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """Return the payload. Raises TokenBackendError when no key made the token, or it is malformed or has ended."""
        *others, last = secret_keys()
        for key in others:
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
