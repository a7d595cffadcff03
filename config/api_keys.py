"""Keys of outside systems."""

import secrets

from config.api.authentication import hash_key
from config.models import ApiKey


def issue_key(name: str, scopes: list[str]) -> str:
    """Make a key with these scopes and return it; it cannot be seen again."""
    raw = secrets.token_urlsafe(32)
    ApiKey.objects.create(name=name, prefix=raw[:8], key_hash=hash_key(raw), scopes=scopes)
    return raw
