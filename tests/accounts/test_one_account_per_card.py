"""An identity card belongs to one account: a second user is refused; older shared cards stay valid with a risk hint."""

import threading
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import IdentityHashKey, User
from config.models import AuditEntry
from config.platform import audit
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.identity_cards import OTHER, REAL, TAKEN, enter_card, with_old_card

pytestmark = pytest.mark.django_db


def hash_cards() -> str:
    out = StringIO()
    call_command("hash_identity_cards", stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("again", [REAL, REAL.lower()])
def test_a_second_user_of_a_card_is_refused_with_a_hint_to_customer_service(again):
    assert enter_card(UserFactory())["code"] == 1200
    bob = UserFactory()
    answer = enter_card(bob, again, name="李大明")
    bob.refresh_from_db()
    assert (answer["code"], answer["description"], bob.identity_sealed) == (1403, TAKEN, None)


def test_the_database_refuses_a_second_active_user_of_a_card():
    alice, bob = UserFactory(), UserFactory()
    enter_card(alice)
    enter_card(bob, OTHER)
    alice.refresh_from_db()
    with pytest.raises(IntegrityError, match="one_active_user_per_identity_card"), transaction.atomic():
        User.objects.filter(pk=bob.pk).update(identity_hash=alice.identity_hash)


def test_the_hash_differs_between_installations():
    alice = UserFactory()
    enter_card(alice)
    alice.refresh_from_db()
    first = alice.identity_hash
    IdentityHashKey.objects.all().delete()
    User.objects.update(identity_hash=None)
    enter_card(alice, OTHER)
    enter_card(alice)
    alice.refresh_from_db()
    assert (len(first), first == alice.identity_hash) == (64, False)


def test_a_replaced_card_and_the_card_of_a_deactivated_user_are_free_again():
    alice, bob, carol = UserFactory(), UserFactory(), UserFactory()
    enter_card(alice)
    enter_card(alice, OTHER)
    assert enter_card(bob)["code"] == 1200
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert enter_card(carol)["code"] == 1200


def test_a_blocked_user_keeps_the_card():
    alice = UserFactory()
    enter_card(alice)
    User.objects.filter(pk=alice.pk).update(blocked_at=timezone.now())
    assert enter_card(UserFactory())["code"] == 1403


def test_a_new_encryption_key_changes_no_hash(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.IDENTITY_KEYS = [old]
    enter_card(UserFactory())
    settings.IDENTITY_KEYS = [new, old]
    assert enter_card(UserFactory())["description"] == TAKEN


def test_a_lost_hash_key_is_not_replaced():
    enter_card(UserFactory())
    IdentityHashKey.objects.all().delete()
    assert enter_card(UserFactory(), OTHER)["code"] == 1500
    assert not IdentityHashKey.objects.exists()


def test_older_cards_are_hashed_and_shared_cards_are_reported():
    first, second, alone = with_old_card(), with_old_card(), with_old_card(OTHER)
    output = hash_cards()
    assert f"{second.pk} has the card of {first.pk}." in output
    assert "3 cards hashed, 1 of them shared." in output
    assert str(alone.pk) not in output
    assert REAL not in output
    assert hash_cards() == "0 cards hashed, 0 of them shared.\n"
    assert enter_card(UserFactory())["description"] == TAKEN


def test_a_user_who_shared_a_card_before_the_rule_can_correct_the_name():
    _first, second = with_old_card(), with_old_card()
    hash_cards()
    assert enter_card(second, name="李大明")["code"] == 1200
    assert enter_card(second, OTHER)["code"] == 1200
    assert enter_card(second)["description"] == TAKEN


def test_a_name_can_be_corrected_before_the_cards_are_hashed():
    first = with_old_card()
    assert enter_card(UserFactory())["code"] == 1200  # the earlier card has no hash yet
    assert enter_card(first, name="李大明")["code"] == 1200
    assert "1 cards hashed, 1 of them shared." in hash_cards()


def test_cards_that_no_key_decrypts_are_reported_and_the_others_are_hashed():
    lost = UserFactory(identity_sealed=b"sealed elsewhere", identity_given_at=timezone.now())
    with_old_card()
    out = StringIO()
    with pytest.raises(CommandError, match=str(lost.pk)):
        call_command("hash_identity_cards", stdout=out)
    assert "1 cards hashed" in out.getvalue()
    assert enter_card(lost, OTHER)["code"] == 1200


def test_an_operator_is_warned_of_a_shared_card():
    first, second = with_old_card(phone="13800130001"), with_old_card()
    hash_cards()
    credit(first, "20")
    page = Operator().page(f"earnings/withdrawal/{requested_withdrawal(first).pk}/change/")
    assert "另有 1 个用户使用同一张身份证" in page
    assert second.identity_is_shared is False  # the instance from before hash_cards


def test_the_audit_log_masks_the_hash_after_an_update_of_its_trigger():
    alice = UserFactory()
    enter_card(alice)
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
def test_only_one_of_several_concurrent_users_gets_a_card():
    users, barrier = [UserFactory() for _ in range(6)], threading.Barrier(6)

    def give_at_once(user: User) -> int:
        try:
            barrier.wait(30)
            return int(enter_card(user)["code"])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(users)) as threads:
        codes = sorted(threads.map(give_at_once, users))
    assert codes == [1200, 1403, 1403, 1403, 1403, 1403]
    assert User.objects.filter(identity_hash__isnull=False).count() == 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_key_that_another_process_generates_meanwhile_is_used():
    """Another process hashes the first card between this one's look for a key and its look for hashed cards."""
    first, second = UserFactory(), UserFactory()
    answers: list[int] = []

    def enter_first_card() -> None:
        answers.append(int(enter_card(first)["code"]))
        connection.close()

    def after_the_look_for_a_key(execute: Any, sql: str, *others: Any) -> Any:
        found = execute(sql, *others)
        if "accounts_identityhashkey" in sql and not answers:
            thread = threading.Thread(target=enter_first_card)
            thread.start()
            thread.join(30)
        return found

    with connection.execute_wrapper(after_the_look_for_a_key):
        assert enter_card(second, OTHER)["code"] == 1200
    assert answers == [1200]
    assert IdentityHashKey.objects.count() == 1
