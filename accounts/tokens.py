"""Access tokens: signed with SECRET_KEY, verified with SECRET_KEY and SECRET_KEY_FALLBACKS."""

import time
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken, TokenError
from rest_framework_simplejwt.tokens import AccessToken

from config.platform.signatures import secret_keys

ALGORITHM = str(settings.SIMPLE_JWT["ALGORITHM"])
KEPT_TOKENS = 4096  # verified tokens that a process keeps, about 1.5 kB each


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


def verified_token(raw: bytes) -> UserToken:
    """Return the token. Raises TokenError when it is not ours, malformed or expired.

    The signature of a token is verified once per process, its expiry each time.
    """
    token = _verified(raw, tuple(secret_keys()))
    if token.payload["exp"] <= time.time():
        raise TokenError("Token is expired")
    return token


@lru_cache(KEPT_TOKENS)
def _verified(raw: bytes, keys: tuple[str, ...]) -> UserToken:
    return UserToken(cast(Any, raw))  # the stubs know no bytes
