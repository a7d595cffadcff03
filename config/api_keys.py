"""Keys of outside systems."""

import secrets
from collections.abc import Sequence

from config.api.authentication import hash_key
from config.models import ApiKey


def issue_key(key: ApiKey | str, scopes: Sequence[str]) -> str:
    """Store a new key (its name, or one not yet saved) with these scopes; the raw key is not seen again."""
    fresh = ApiKey(name=key) if isinstance(key, str) else key
    raw = secrets.token_urlsafe(32)
    fresh.prefix, fresh.key_hash, fresh.scopes = raw[:8], hash_key(raw), list(scopes)
    fresh.save(force_insert=True)
    return raw
