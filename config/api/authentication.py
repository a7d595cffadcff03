"""Authentication of outside systems by key and of operators by session. Users: accounts.authentication."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin import site
from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from config.api.csrf import AXIOS_HEADER
from config.api.throttles import client_address
from config.models import ApiKey
from config.platform.networks import address_from
from config.platform.prepared import prepared

KEY_HEADER = "HTTP_X_API_KEY"
_RECORD_USE_EVERY = timedelta(minutes=1)


def hash_key(raw: str) -> str:
    """Return the hash of a key that is stored. Keys are 256 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(raw.encode()).hexdigest()


@prepared
def _valid_key(key_hash: str) -> QuerySet[ApiKey]:
    return ApiKey.objects.filter(key_hash=key_hash, revoked_at=None)


def _record_use(key: ApiKey, address: str, at: datetime) -> None:
    """Store the moment and the address of a use, at most once a minute per key: requests do not wait for the row's lock."""
    if key.last_used_at is None or at - key.last_used_at > _RECORD_USE_EVERY:
        parsed = address_from(address)
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=at, last_used_from=parsed and str(parsed))


class ApiKeyAuthentication(BaseAuthentication):
    """Authentication by the header X-Api-Key. A key that expired or is used from another network is refused as unknown."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        raw = request.META.get(KEY_HEADER, "")
        if not raw:
            return None
        [key] = _valid_key.objects(hash_key(raw)) or [None]
        address, now = client_address(request), timezone.now()
        if key is None or not key.is_valid(address=address, at=now):
            raise AuthenticationFailed
        _record_use(key, address, now)
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return "X-Api-Key"


class OperatorAuthentication(SessionAuthentication):
    """Authentication by the session of an operator who is signed in to the admin, with CSRF protection."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        http_request = request._request  # noqa: SLF001 - it has no other name for Django's request
        user = getattr(http_request, "user", None)
        if user is None or not user.is_staff or not site.has_permission(http_request):
            return None
        return super().authenticate(request)

    def enforce_csrf(self, request: Request) -> None:
        """Check the CSRF token; the header name of axios is accepted too (config.api.csrf)."""
        if AXIOS_HEADER in request.META:
            request.META.setdefault(settings.CSRF_HEADER_NAME, request.META[AXIOS_HEADER])
        super().enforce_csrf(request)


# For operations whose credential is WeChat's proof: a key may act for users, and a token in the header is ignored.
PROOF_AUTHENTICATION = (ApiKeyAuthentication,)
