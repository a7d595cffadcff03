"""Keyed hashes with SECRET_KEY. Hashes with a key in SECRET_KEY_FALLBACKS are still accepted after a key change."""

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac


def secret_keys() -> list[str]:
    """Return the signing key, followed by the keys whose signatures are accepted."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def keyed_hash(salt: str, value: str) -> str:
    """Return the keyed hash of a value, 64 hexadecimal digits."""
    return _hash(salt, value, settings.SECRET_KEY)


def is_keyed_hash(given: str, salt: str, value: str) -> bool:
    """Return whether `given` is the keyed hash of the value with one of the keys."""
    return any(constant_time_compare(given, _hash(salt, value, key)) for key in secret_keys())


def _hash(salt: str, value: str, key: str) -> str:
    return salted_hmac(salt, value, secret=key, algorithm="sha256").hexdigest()
