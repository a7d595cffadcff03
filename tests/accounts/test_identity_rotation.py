"""Rotation of the keys of identity cards: repeatable, and safe with concurrent writes."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import identity, identity_rotation
from accounts.models import IdentityHashKey, User
from tests.factories.people import UserFactory
from tests.support.identity_cards import OTHER, REAL, TAKEN, enter_card, with_old_card

pytestmark = pytest.mark.django_db
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def rotate() -> str:
    out = StringIO()
    call_command("rotate_identity_keys", stdout=out)
    return out.getvalue()


def decrypted_number(user: User) -> str:
    user.refresh_from_db()
    return identity.card_of(user)["id_number"]


@pytest.fixture
def alice(settings: Any) -> User:
    """A user whose card is encrypted under the old key, while the new key comes first."""
    settings.IDENTITY_KEYS = [OLD]
    user = UserFactory()
    enter_card(user)
    settings.IDENTITY_KEYS = [NEW, OLD]
    return user


def test_after_a_rotation_the_old_key_is_not_needed(alice, settings):
    output = rotate()
    settings.IDENTITY_KEYS = [NEW]
    assert output == "1 cards sealed under the first key.\nNothing is left under the other keys.\n"
    assert decrypted_number(alice) == REAL
    assert enter_card(UserFactory())["description"] == TAKEN  # the hash key was rotated too
    assert REAL not in output


def test_a_second_run_changes_nothing(alice):
    rotate()
    before = User.objects.values_list("identity_sealed", flat=True).get(), IdentityHashKey.objects.get().sealed_key
    assert "0 cards sealed" in rotate()
    after = User.objects.values_list("identity_sealed", flat=True).get(), IdentityHashKey.objects.get().sealed_key
    assert [bytes(value) for value in before] == [bytes(value) for value in after]


def test_a_killed_run_leaves_valid_cards_and_the_next_run_continues(alice, monkeypatch, settings):
    settings.IDENTITY_KEYS = [OLD]
    others = [with_old_card(OTHER) for _ in range(3)]
    settings.IDENTITY_KEYS = [NEW, OLD]
    monkeypatch.setattr(identity_rotation, "CHUNK", 2)
    run = identity_rotation.reseal_cards(identity_rotation.Resealed())
    next(run)
    run.close()
    assert [decrypted_number(user) for user in (alice, *others)] == [REAL, OTHER, OTHER, OTHER]
    assert "2 cards sealed" in rotate()


def test_a_card_that_its_user_corrects_at_the_same_time_stays_corrected(alice, monkeypatch):
    def correct_first(reseal: Callable[..., Any]) -> Callable[..., Any]:
        def correct_and_reseal(user: Any, sealed: Any, resealed: Any) -> None:
            enter_card(alice, OTHER)
            reseal(user, sealed, resealed)

        return correct_and_reseal

    monkeypatch.setattr(identity_rotation, "_reseal", correct_first(identity_rotation._reseal))
    assert "0 cards sealed" in rotate()
    assert decrypted_number(alice) == OTHER


def test_a_card_that_no_key_decrypts_is_reported_and_the_others_are_rotated(alice):
    lost = UserFactory(identity_sealed=b"sealed elsewhere", identity_given_at=timezone.now())
    out = StringIO()
    with pytest.raises(CommandError, match=str(lost.pk)):
        call_command("rotate_identity_keys", stdout=out)
    assert out.getvalue() == "1 cards sealed under the first key.\n"


def test_an_unreadable_hash_key_is_reported(alice):
    IdentityHashKey.objects.update(sealed_key=b"sealed elsewhere")
    with pytest.raises(CommandError, match="hashes"):
        rotate()
