"""Creation of service keys."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from config.api.authentication import hash_key
from config.models import ApiKey


def issue_key(
    key: ApiKey | str, scopes: Sequence[str], *, by: str = "", confirmed_at: datetime | None = None
) -> str:
    """Store a new key (a name, or an unsaved ApiKey) with these scopes. Returns the key, which is not shown again.

    `by` is the operator who creates it. A key that no operator creates may be confirmed from the start.
    """
    row = ApiKey(name=key) if isinstance(key, str) else key
    raw = secrets.token_urlsafe(32)
    row.prefix, row.key_hash, row.scopes = raw[:8], hash_key(raw), list(scopes)
    row.created_by, row.confirmed_at = by, confirmed_at
    row.save(force_insert=True)
    return raw
