"""Keys of identity cards: those that seal a card, and the one that tells two equal cards.

Cards are sealed under IDENTITY_KEYS, which change from time to time. The hash of a card's number must not change with
them, or the same card would pass for another one. Its key is therefore random, made once, and kept in the database sealed
under IDENTITY_KEYS like the cards. Whoever loses IDENTITY_KEYS loses it together with the cards; a copy of the database
alone gives neither the numbers nor a way to try them out.
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
    """Cards have hashes, and the key that made them is gone: a new one would let each card in a second time."""


def card_cipher() -> MultiFernet:
    """Return what seals and opens, newest key first.

    The embedded mode, which has no keys, derives them from SECRET_KEY and its fallbacks.
    """
    return MultiFernet(_keys())


def newest_key() -> Fernet:
    """Return the key that seals."""
    return _keys()[0]


def _keys() -> list[Fernet]:
    keys = settings.IDENTITY_KEYS or [
        base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest()).decode() for key in secret_keys()
    ]
    return [Fernet(key) for key in keys]


def hash_of_number(id_number: str) -> str:
    """Return the keyed hash of a checked card number, 64 hexadecimal digits: the same for the same card.

    Raises HashKeyLost.
    """
    return hmac.new(_hash_key(), f"identity-card:{id_number}".encode(), hashlib.sha256).hexdigest()


def _hash_key() -> bytes:
    kept = IdentityHashKey.objects.filter(pk=1).first()
    if kept is None:
        if User.objects.filter(identity_hash__isnull=False).exists():
            raise HashKeyLost
        sealed = card_cipher().encrypt(secrets.token_bytes(32))
        IdentityHashKey.objects.bulk_create([IdentityHashKey(pk=1, sealed_key=sealed)], ignore_conflicts=True)
        kept = IdentityHashKey.objects.get(pk=1)  # of two who made one at once, both take the first
    return card_cipher().decrypt(bytes(kept.sealed_key))
