"""Keys of outside systems."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from config.api.authentication import hash_key
from config.models import ApiKey


def issue_key(
    key: ApiKey | str, scopes: Sequence[str], *, by: str = "", confirmed_at: datetime | None = None
) -> str:
    """Store a new key (its name, or one not yet saved) with these scopes and return it; it is not seen again.

    `by` is the operator who makes it. A key that no operator makes may be confirmed from the start.
    """
    fresh = ApiKey(name=key) if isinstance(key, str) else key
    raw = secrets.token_urlsafe(32)
    fresh.prefix, fresh.key_hash, fresh.scopes = raw[:8], hash_key(raw), list(scopes)
    fresh.created_by, fresh.confirmed_at = by, confirmed_at
    fresh.save(force_insert=True)
    return raw
