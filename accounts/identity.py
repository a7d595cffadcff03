"""Identity cards: validated by GB 11643, one account per card, stored encrypted, shown masked, never logged."""

import json
from datetime import date, datetime
from typing import Any

from cryptography.fernet import InvalidToken
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.identity_keys import card_cipher, hash_of_number
from accounts.models import User
from config.errors import BadRequest

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"  # ISO 7064 MOD 11-2
_REGIONS = frozenset(
    {*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83}
)
_EARLIEST = date(1900, 1, 1)


class BadIdentityCard(BadRequest):
    field = "id_number"
    message = "身份证号码不正确，请核对后重新输入"


class OldIdentityCard(BadIdentityCard):
    """Refusal of a first-generation card, which has 15 digits and has been invalid since 2013."""

    message = "一代身份证（15 位）已停用，请填写 18 位身份证号码"


class IdentityCardTaken(BadIdentityCard):
    """Refusal of a card of another account. A card raises the withdrawal limit, so it counts for one account only."""

    message = "该身份证已被其他账号使用，请给机器人发送“菜单”并选择 5 联系客服"


def validated_number(id_number: str, *, today: date) -> str:
    """Return the card's number in capitals. Raises BadIdentityCard when region, birth date or check digit is invalid."""
    number = id_number.strip().upper()
    if len(number) == 15 and number.isascii() and number.isdigit():
        raise OldIdentityCard
    if len(number) != 18 or not number.isascii() or not number[:17].isdigit():
        raise BadIdentityCard
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True))
    if int(number[:2]) not in _REGIONS or _CHECK_DIGITS[total % 11] != number[17]:
        raise BadIdentityCard
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError as error:
        raise BadIdentityCard from error
    if not _EARLIEST <= born <= today:
        raise BadIdentityCard
    return number


def save_card(*, user: User, id_number: str, name: str, at: datetime, today: date) -> None:
    """Store a user's card and name, encrypted. A correction replaces the earlier card.

    Raises BadIdentityCard, and IdentityCardTaken when another active user has the card. A user who has shared a card
    since before that rule may still correct the name.
    """
    number = validated_number(id_number, today=today)
    hashed = hash_of_number(number)
    sealed = card_cipher().encrypt(json.dumps({"id_number": number, "name": name}).encode())
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        columns: dict[str, Any] = {"identity_sealed": sealed, "identity_given_at": at}
        if not _has(user, number):
            if holders_of(hashed).exclude(pk=user.pk).exists():
                raise IdentityCardTaken
            columns |= {"identity_hash": hashed, "identity_is_shared": False}
        try:
            with transaction.atomic():
                User.objects.filter(pk=user.pk).update(**columns)
        except IntegrityError as error:  # one_active_user_per_identity_card: a concurrent request stored it first
            raise IdentityCardTaken from error


def _has(user: User, number: str) -> bool:
    try:
        return user.identity_sealed is not None and card_of(user)["id_number"] == number
    except InvalidToken:  # encrypted under a key that is no longer configured
        return False


def holders_of(identity_hash: str) -> QuerySet[User]:
    """Return the active users who have the card with this hash."""
    return User.objects.filter(identity_hash=identity_hash, is_active=True)


def masked_card(user: User) -> str:
    """Return the card as operators see it: the family name, the first six and the last two digits."""
    if user.identity_sealed is None:
        return ""
    card = card_of(user)
    return f"{card['name'][0]}{'*' * (len(card['name']) - 1)} {card['id_number'][:6]}**********{card['id_number'][-2:]}"


def card_of(user: User) -> dict[str, str]:
    """Return the `id_number` and the `name` of a user's card. Raises ValueError when the user has none."""
    if user.identity_sealed is None:
        raise ValueError("no card was given")
    card: dict[str, str] = json.loads(card_cipher().decrypt(bytes(user.identity_sealed)))
    return card
