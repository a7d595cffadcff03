"""Re-encryption of identity cards under the first of IDENTITY_KEYS, after a new key was put in front."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.fernet import Fernet, InvalidToken
from django.db.models import QuerySet

from accounts.identity_keys import card_cipher, newest_key
from accounts.models import IdentityHashKey, User

CHUNK = 500  # users read at once


@dataclass
class Resealed:
    """The result so far: the number of re-encrypted cards, and the ids of users whose card is unreadable."""

    count: int = 0
    unreadable: list[UUID] = field(default_factory=list)  # no configured key decrypts the card


def with_card() -> QuerySet[User]:
    """Return the users who have a card."""
    return User.objects.filter(identity_sealed__isnull=False)


def reseal_hash_key() -> bool:
    """Encrypt the hash key under the first key. Returns False when it is already, or when there is none yet.

    Raises InvalidToken when no configured key decrypts it.
    """
    stored = IdentityHashKey.objects.filter(pk=1).first()
    if stored is None or _is_sealed_by(newest_key(), bytes(stored.sealed_key)):
        return False
    resealed = card_cipher().rotate(bytes(stored.sealed_key))
    return bool(IdentityHashKey.objects.filter(sealed_key=stored.sealed_key).update(sealed_key=resealed))


def reseal_cards(resealed: Resealed) -> Iterator[int]:
    """Encrypt each card under the first key and yield the number of cards of each chunk.

    Cards already encrypted under it are skipped, so a run may be killed and repeated. Each card is one statement, which
    changes nothing when the user has stored another card since: the new card is encrypted under the first key.
    """
    last: UUID | None = None
    while cards := _cards_after(last):
        for user, sealed in cards:
            _reseal(user, sealed, resealed)
        last = cards[-1][0]
        yield len(cards)


def _cards_after(last: UUID | None) -> list[tuple[UUID, bytes]]:
    rest = with_card() if last is None else with_card().filter(pk__gt=last)
    cards = rest.order_by("pk").values_list("pk", "identity_sealed")[:CHUNK]
    return [(user, bytes(sealed)) for user, sealed in cards if sealed is not None]


def _reseal(user: UUID, sealed: bytes, resealed: Resealed) -> None:
    if _is_sealed_by(newest_key(), sealed):
        return
    try:
        rotated = card_cipher().rotate(sealed)
    except InvalidToken:
        resealed.unreadable.append(user)
        return
    resealed.count += User.objects.filter(pk=user, identity_sealed=sealed).update(identity_sealed=rotated)


def _is_sealed_by(key: Fernet, sealed: bytes) -> bool:
    try:
        key.decrypt(sealed)
    except InvalidToken:
        return False
    return True
