"""Changing the keys of identity cards: all cards under the new one, beside running writes, in as many runs as it takes."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import identity, identity_rotation
from accounts.models import IdentityHashKey, User
from tests.accounts.test_identity import REAL, give
from tests.accounts.test_one_account_per_card import OTHER, TAKEN, with_old_card
from tests.factories.people import UserFactory

pytestmark = pytest.mark.django_db
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def rotate() -> str:
    out = StringIO()
    call_command("rotate_identity_keys", stdout=out)
    return out.getvalue()


def opened(user: User) -> str:
    user.refresh_from_db()
    return identity.card_of(user)["id_number"]


@pytest.fixture
def alice(settings: Any) -> User:
    """A user whose card is sealed under the old key; the new one is in front by now."""
    settings.IDENTITY_KEYS = [OLD]
    user = UserFactory()
    give(user)
    settings.IDENTITY_KEYS = [NEW, OLD]
    return user


def test_afterwards_the_old_key_is_not_needed(alice, settings):
    told = rotate()
    settings.IDENTITY_KEYS = [NEW]
    assert told == "1 cards sealed under the first key.\nNothing is left under the other keys.\n"
    assert opened(alice) == REAL
    assert give(UserFactory())["description"] == TAKEN  # the key of the hashes went with the cards
    assert REAL not in told


def test_a_second_run_changes_nothing(alice):
    rotate()
    before = User.objects.values_list("identity_sealed", flat=True).get(), IdentityHashKey.objects.get().sealed_key
    assert "0 cards sealed" in rotate()
    after = User.objects.values_list("identity_sealed", flat=True).get(), IdentityHashKey.objects.get().sealed_key
    assert [bytes(one) for one in before] == [bytes(one) for one in after]


def test_a_killed_run_leaves_valid_cards_and_the_next_one_goes_on(alice, monkeypatch, settings):
    settings.IDENTITY_KEYS = [OLD]
    others = [with_old_card(OTHER) for _ in range(3)]
    settings.IDENTITY_KEYS = [NEW, OLD]
    monkeypatch.setattr(identity_rotation, "CHUNK", 2)
    run = identity_rotation.reseal_cards(identity_rotation.Resealed())
    next(run)
    run.close()
    assert [opened(user) for user in (alice, *others)] == [REAL, OTHER, OTHER, OTHER]
    assert "2 cards sealed" in rotate()


def test_a_card_that_is_corrected_meanwhile_stays_as_its_user_wrote_it(alice, monkeypatch):
    def correct_in_between(rotate_one: Callable[..., Any]) -> Callable[..., Any]:
        def after_reading(user: Any, sealed: Any, resealed: Any) -> None:
            give(alice, OTHER)
            rotate_one(user, sealed, resealed)

        return after_reading

    monkeypatch.setattr(identity_rotation, "_reseal", correct_in_between(identity_rotation._reseal))
    assert "0 cards sealed" in rotate()
    assert opened(alice) == OTHER


def test_a_card_that_no_key_opens_is_named_and_the_others_are_sealed(alice):
    lost = UserFactory(identity_sealed=b"sealed elsewhere", identity_given_at=timezone.now())
    out = StringIO()
    with pytest.raises(CommandError, match=str(lost.pk)):
        call_command("rotate_identity_keys", stdout=out)
    assert out.getvalue() == "1 cards sealed under the first key.\n"


def test_a_lost_key_of_the_hashes_is_said(alice):
    IdentityHashKey.objects.update(sealed_key=b"sealed elsewhere")
    with pytest.raises(CommandError, match="hashes"):
        rotate()
