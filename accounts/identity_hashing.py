"""Hashes for the identity cards that were given before a card belonged to one account only."""

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
    """The result so far: how many cards were hashed, and the ids of users whose card is shared or cannot be opened."""

    count: int = 0
    shared: list[tuple[UUID, list[UUID]]] = field(default_factory=list)  # (user, who had the card before)
    unreadable: list[UUID] = field(default_factory=list)  # sealed under no key that is configured


def without_hash() -> QuerySet[User]:
    """Return the users whose card has no hash yet, in the order in which they gave it."""
    return User.objects.filter(identity_sealed__isnull=False, identity_hash=None).order_by(
        "identity_given_at", "pk"
    )


def hash_cards(hashed: Hashed) -> Iterator[int]:
    """Give each card its hash and yield how many users have been looked at in this chunk.

    Who has the card first holds it; the others keep it, marked as shared. Each user is a statement of its own, so that
    a killed run leaves less for the next one. A card that is corrected meanwhile is left as its user wrote it.
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
    except IntegrityError:  # one_active_user_per_identity_card: another user gave it just now
        done = unchanged.update(identity_hash=value, identity_is_shared=True)
    hashed.count += done
    others = list(_others(user, value).order_by("identity_given_at", "pk").values_list("pk", flat=True))
    if done and others:
        hashed.shared.append((user.pk, others))


def _others(user: User, value: str) -> QuerySet[User]:
    return holders_of(value).exclude(pk=user.pk)
