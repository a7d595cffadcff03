"""Hashing of the identity cards that were stored before the rule "one card, one account"."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.identity import card_of, holders_of
from accounts.identity_keys import hash_of_number
from accounts.models import User

CHUNK = 500  # users read at once


@dataclass
class Hashed:
    """The result so far: the number of hashed cards, and the ids of users whose card is shared or unreadable."""

    count: int = 0
    shared: list[tuple[UUID, list[UUID]]] = field(default_factory=list)  # (user, the earlier holders)
    unreadable: list[UUID] = field(default_factory=list)  # no configured key decrypts the card


def without_hash() -> QuerySet[User]:
    """Return the users whose card has no hash yet, in the order in which the cards were stored."""
    return User.objects.filter(identity_sealed__isnull=False, identity_hash=None).order_by(
        "identity_given_at", "pk"
    )


def hash_cards(hashed: Hashed) -> Iterator[int]:
    """Hash each card and yield the number of users of each chunk.

    The first user of a card holds it; the others keep it, marked as shared. Each user is one statement, so a killed run
    leaves less for the next one. A card that its user corrects at the same time is left as corrected.
    """
    while users := list(without_hash().exclude(pk__in=hashed.unreadable)[:CHUNK]):
        for user in users:
            _hash_card(user, hashed)
        yield len(users)


def _hash_card(user: User, hashed: Hashed) -> None:
    try:
        value = hash_of_number(card_of(user)["id_number"])
    except InvalidToken:
        hashed.unreadable.append(user.pk)
        return
    unchanged = User.objects.filter(pk=user.pk, identity_sealed=user.identity_sealed)
    try:
        with transaction.atomic():
            done = unchanged.update(identity_hash=value, identity_is_shared=_others(user, value).exists())
    except IntegrityError:  # one_active_user_per_identity_card: another user stored it at the same time
        done = unchanged.update(identity_hash=value, identity_is_shared=True)
    hashed.count += done
    others = list(_others(user, value).order_by("identity_given_at", "pk").values_list("pk", flat=True))
    if done and others:
        hashed.shared.append((user.pk, others))


def _others(user: User, value: str) -> QuerySet[User]:
    return holders_of(value).exclude(pk=user.pk)
