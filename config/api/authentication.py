"""Who calls: an outside system with a key, or a signed-in operator. (Users: accounts.authentication.)"""

import hashlib
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.admin import site
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from config.api.csrf import AXIOS_HEADER
from config.api.throttles import client_address
from config.models import ApiKey
from config.platform.networks import address_from

KEY_HEADER = "HTTP_X_API_KEY"
_NOTE_USE_EVERY = timedelta(minutes=1)


def hash_key(raw: str) -> str:
    """What is stored of a key. Keys are 256 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(raw.encode()).hexdigest()


def _note_use(key: ApiKey, address: str, at: datetime) -> None:
    """Remember the use and from where, at most once a minute per key, so that no request waits for another."""
    if key.last_used_at is None or at - key.last_used_at > _NOTE_USE_EVERY:
        known = address_from(address)
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=at, last_used_from=known and str(known))


class ApiKeyAuthentication(BaseAuthentication):
    """The header X-Api-Key. An expired key, or one that is used from elsewhere, is as good as unknown."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, ApiKey] | None:
        raw = request.META.get(KEY_HEADER, "")
        if not raw:
            return None
        key = ApiKey.objects.filter(key_hash=hash_key(raw), revoked_at=None).first()
        address, now = client_address(request), timezone.now()
        if key is None or not key.is_valid(address=address, at=now):
            raise AuthenticationFailed
        _note_use(key, address, now)
        return AnonymousUser(), key

    def authenticate_header(self, request: Request) -> str:
        return "X-Api-Key"


class OperatorAuthentication(SessionAuthentication):
    """The session of an operator signed in to the admin, with CSRF protection."""

    def authenticate(self, request: Request):  # type: ignore[no-untyped-def]
        user = getattr(request._request, "user", None)
        if user is None or not user.is_staff or not site.has_permission(request._request):
            return None
        return super().authenticate(request)

    def enforce_csrf(self, request: Request) -> None:
        """Take the CSRF token under the name that axios sends it by, too (config.api.csrf)."""
        if AXIOS_HEADER in request.META:
            request.META.setdefault(settings.CSRF_HEADER_NAME, request.META[AXIOS_HEADER])
        super().enforce_csrf(request)


# Where WeChat's proof is the credential: a key may act for users, and an old token in the header means nothing.
PROOF_AUTHENTICATION = (ApiKeyAuthentication,)
