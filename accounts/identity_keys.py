"""Keys of identity cards: the keys that encrypt a card, and the key of the hashes that recognize equal cards.

Cards are encrypted under IDENTITY_KEYS, which are rotated. The hash of a card's number must not change with them, or the
same card would pass for another one. The hash key is therefore random, generated once, and stored in the database,
encrypted under IDENTITY_KEYS like the cards. If IDENTITY_KEYS are lost, the hash key is lost together with the cards. A
copy of the database alone reveals no numbers and gives no way to guess them.
"""

import base64
import hashlib
import hmac
import secrets

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings

from accounts.models import IdentityHashKey, User
from config.platform.signatures import secret_keys


class HashKeyLost(Exception):
    """The hash key is missing while cards have hashes: with a new key each card could be used a second time."""


def card_cipher() -> MultiFernet:
    """Return the cipher of cards, newest key first.

    The embedded mode has no IDENTITY_KEYS and derives them from SECRET_KEY and its fallbacks.
    """
    return MultiFernet(_keys())


def newest_key() -> Fernet:
    """Return the key that encrypts new cards."""
    return _keys()[0]


def _keys() -> list[Fernet]:
    keys = settings.IDENTITY_KEYS or [
        base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()).decode() for key in secret_keys()
    ]
    return [Fernet(key) for key in keys]


def hash_of_number(id_number: str) -> str:
    """Return the keyed hash of a validated card number: 64 hexadecimal digits. Raises HashKeyLost."""
    return hmac.new(_hash_key(), f"identity-card:{id_number}".encode(), hashlib.sha256).hexdigest()


def _hash_key() -> bytes:
    stored = _stored_key()
    if stored is None and User.objects.filter(identity_hash__isnull=False).exists():
        stored = _stored_key()  # another process has generated it meanwhile, and hashed the first card
        if stored is None:
            raise HashKeyLost
    if stored is None:
        sealed = card_cipher().encrypt(secrets.token_bytes(32))
        IdentityHashKey.objects.bulk_create([IdentityHashKey(pk=1, sealed_key=sealed)], ignore_conflicts=True)
        stored = IdentityHashKey.objects.get(pk=1)  # two processes that generate a key at once both use the first
    return card_cipher().decrypt(bytes(stored.sealed_key))


def _stored_key() -> IdentityHashKey | None:
    return IdentityHashKey.objects.filter(pk=1).first()
