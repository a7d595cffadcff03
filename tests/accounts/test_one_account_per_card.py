"""One identity card, one account: a second user is refused, and cards of before the rule go on with a risk hint."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.identity_keys import card_cipher
from accounts.models import IdentityHashKey, User
from config.models import AuditEntry
from config.platform import audit
from tests.accounts.test_identity import REAL, give
from tests.factories.money import ask
from tests.factories.money import give as give_money
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator

pytestmark = pytest.mark.django_db
OTHER = "440308199901101512"
TAKEN = "该身份证已被其他账号使用，请给机器人发送“菜单”并选择 5 联系客服（id_number）"


def with_old_card(id_number: str = REAL, **facts: Any) -> User:
    """A user whose card was given before cards had hashes."""
    sealed = card_cipher().encrypt(json.dumps({"id_number": id_number, "name": "王小明"}).encode())
    return UserFactory(identity_sealed=sealed, identity_given_at=timezone.now(), **facts)


def hash_cards() -> str:
    out = StringIO()
    call_command("hash_identity_cards", stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("again", [REAL, REAL.lower()])
def test_a_second_user_of_a_card_is_told_whom_to_ask(again):
    assert give(UserFactory())["code"] == 1200
    bob = UserFactory()
    told = give(bob, again, name="李大明")
    bob.refresh_from_db()
    assert (told["code"], told["description"], bob.identity_sealed) == (1403, TAKEN, None)


def test_the_database_refuses_a_second_active_user_of_a_card():
    alice, bob = UserFactory(), UserFactory()
    give(alice)
    give(bob, OTHER)
    alice.refresh_from_db()
    with pytest.raises(IntegrityError, match="one_active_user_per_identity_card"), transaction.atomic():
        User.objects.filter(pk=bob.pk).update(identity_hash=alice.identity_hash)


def test_the_hash_shows_no_number_and_differs_between_installations():
    alice = UserFactory()
    give(alice)
    alice.refresh_from_db()
    first = alice.identity_hash
    IdentityHashKey.objects.all().delete()
    User.objects.update(identity_hash=None)
    give(alice, OTHER)
    give(alice)
    alice.refresh_from_db()
    assert (len(first), first == alice.identity_hash) == (64, False)


def test_a_card_that_was_corrected_or_of_a_deactivated_user_is_free_again():
    alice, bob, carol = UserFactory(), UserFactory(), UserFactory()
    give(alice)
    give(alice, OTHER)
    assert give(bob)["code"] == 1200
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert give(carol)["code"] == 1200


def test_a_blocked_user_keeps_the_card():
    alice = UserFactory()
    give(alice)
    User.objects.filter(pk=alice.pk).update(blocked_at=timezone.now())
    assert give(UserFactory())["code"] == 1403


def test_new_keys_for_cards_change_no_hash(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.IDENTITY_KEYS = [old]
    give(UserFactory())
    settings.IDENTITY_KEYS = [new, old]
    assert give(UserFactory())["description"] == TAKEN


def test_without_the_key_of_the_hashes_no_second_one_is_made():
    give(UserFactory())
    IdentityHashKey.objects.all().delete()
    assert give(UserFactory(), OTHER)["code"] == 1500
    assert not IdentityHashKey.objects.exists()


def test_cards_of_before_get_their_hash_and_those_shared_are_named():
    first, second, alone = with_old_card(), with_old_card(), with_old_card(OTHER)
    told = hash_cards()
    assert f"{second.pk} has the card of {first.pk}." in told
    assert "3 cards hashed, 1 of them shared." in told
    assert str(alone.pk) not in told
    assert REAL not in told
    assert hash_cards() == "0 cards hashed, 0 of them shared.\n"
    assert give(UserFactory())["description"] == TAKEN


def test_who_shared_a_card_before_goes_on_and_can_correct_the_name():
    _first, second = with_old_card(), with_old_card()
    hash_cards()
    assert give(second, name="李大明")["code"] == 1200
    assert give(second, OTHER)["code"] == 1200
    assert give(second)["description"] == TAKEN


def test_a_name_is_corrected_before_the_cards_have_their_hashes():
    first = with_old_card()
    assert give(UserFactory())["code"] == 1200  # nobody could know
    assert give(first, name="李大明")["code"] == 1200
    assert "1 cards hashed, 1 of them shared." in hash_cards()


def test_cards_that_no_key_opens_are_named_and_the_others_get_their_hash():
    lost = UserFactory(identity_sealed=b"sealed elsewhere", identity_given_at=timezone.now())
    with_old_card()
    out = StringIO()
    with pytest.raises(CommandError, match=str(lost.pk)):
        call_command("hash_identity_cards", stdout=out)
    assert "1 cards hashed" in out.getvalue()
    assert give(lost, OTHER)["code"] == 1200


def test_an_operator_is_warned_of_a_shared_card():
    first, second = with_old_card(phone="13800130001"), with_old_card()
    hash_cards()
    give_money(first, "20")
    page = Operator().page(f"earnings/withdrawal/{ask(first).pk}/change/")
    assert "另有 1 个用户使用同一张身份证" in page
    assert second.identity_is_shared is False  # as it was before


def test_the_audit_log_has_no_hash_also_where_its_triggers_are_older():
    alice = UserFactory()
    give(alice)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE TRIGGER audit_note AFTER INSERT OR UPDATE OR DELETE ON accounts_user FOR EACH ROW"
            " WHEN (coalesce(current_setting('wxrobot.actor', true), '') <> '')"
            " EXECUTE FUNCTION audit_note('id', 'password', 'last_login')"
        )
    audit.install()
    with audit.acting(by="root", via="test"):
        User.objects.filter(pk=alice.pk).update(identity_hash="a" * 64)
    assert AuditEntry.objects.get(row_id=str(alice.pk)).changes == {"identity_hash": ["•••", "•••"]}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_two_who_give_the_same_card_at_once_one_has_it():
    users, together = [UserFactory() for _ in range(6)], threading.Barrier(6)

    def at_once(user: User) -> int:
        try:
            together.wait(30)
            return int(give(user)["code"])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(users)) as threads:
        codes = sorted(threads.map(at_once, users))
    assert codes == [1200, 1403, 1403, 1403, 1403, 1403]
    assert User.objects.filter(identity_hash__isnull=False).count() == 1
