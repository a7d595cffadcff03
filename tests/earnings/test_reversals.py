"""Reversals by operators: a whole transaction, or one user's part of it; once, and never both."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from config.platform.dates import day_of
from earnings import ledger, ledger_check
from earnings.models import Account, IncomeType, LedgerEntry, LedgerTransaction, TransactionKind
from tests.factories.money import available_and_withdrawing, credit, rated_group, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.settlement import settle_yesterday

pytestmark = pytest.mark.django_db
ENTRIES, TRANSACTIONS = "earnings/ledgerentry", "earnings/ledgertransaction"


@pytest.fixture
def alice() -> User:
    return UserFactory(nickname="alice", phone="13800138000")


@pytest.fixture
def bob() -> User:
    return UserFactory(nickname="bob")


@pytest.fixture
def settlement(alice: User, bob: User) -> LedgerTransaction:
    """A settlement: alice, bob's apprentice, earns 20, bob 20 by his share and 1 by his own group."""
    User.objects.filter(pk=alice.pk).update(inviter=bob)
    for user, count in ((alice, 20), (bob, 1)):
        for _ in range(count):
            rated_group(5, user=user)
    settle_yesterday()
    return LedgerTransaction.objects.get(kind=TransactionKind.SETTLEMENT)


def entry_of(user: User) -> LedgerEntry:
    return LedgerEntry.objects.filter(account__user=user).order_by("pk")[0]


def reversal_fields(**more: Any) -> dict[str, Any]:
    now = timezone.now()
    return {"by": "root", "reason": "算错了", "at": now, "day": day_of(now), **more}


def test_a_settlement_is_reversed_in_the_admin(root, settlement, alice, bob):
    assert "已冲正 1 条" in root.act(TRANSACTIONS, "reverse", settlement, reason="方案填错了")
    assert (available_and_withdrawing(alice), available_and_withdrawing(bob)) == (
        ("0.00", "0.00"),
        ("0.00", "0.00"),
    )
    reversal = LedgerTransaction.objects.get(kind=TransactionKind.REVERSAL)
    assert (reversal.reverses, reversal.posted_by, reversal.reason) == (settlement, "root", "方案填错了")
    assert "全部" in root.page(f"{TRANSACTIONS}/")
    assert ledger_check.find_errors() == []


def test_the_confirmation_page_of_a_reversal_shows_amount_and_people(root, settlement):
    page = root.act(TRANSACTIONS, "reverse", settlement, confirmed=False)
    assert "其中可冲正 1 条，涉及 2 人，共 41.00 元" in page
    assert f"{settlement}：2 人，共 41.00 元" in page
    assert not LedgerTransaction.objects.filter(kind=TransactionKind.REVERSAL).exists()


def test_a_settlement_is_not_reversed_twice(root, settlement):
    root.act(TRANSACTIONS, "reverse", settlement, reason="算错了")
    assert "其中可冲正 0 条" in root.act(TRANSACTIONS, "reverse", settlement, confirmed=False)
    assert "1 条没有变化" in root.act(TRANSACTIONS, "reverse", settlement, reason="再来")


def test_one_users_part_is_reversed_and_the_others_stay(root, settlement, alice, bob):
    assert "已冲正 1 条" in root.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    assert (available_and_withdrawing(alice), available_and_withdrawing(bob)) == (
        ("20.00", "0.00"),
        ("0.00", "0.00"),
    )
    reversal = LedgerTransaction.objects.get(kind=TransactionKind.REVERSAL)
    account = Account.objects.get(user=bob)
    assert (reversal.reverses, reversal.reverses_account) == (settlement, account)
    assert reversal.idempotency_key == f"reversal:{settlement.pk}:{account.pk}"
    assert "部分" in root.page(f"{TRANSACTIONS}/")
    assert ledger_check.find_errors() == []


def test_the_confirmation_page_of_a_part_shows_user_amount_and_cause(root, settlement, bob):
    User.objects.filter(pk=bob.pk).update(phone="13800138001")
    page = root.act(ENTRIES, "reverse_part", entry_of(bob), confirmed=False)
    assert "可冲正 1 人次，共 21.00 元" in page
    assert f"bob 138****8001：21.00 元（{settlement}）" in page


def test_both_entries_of_a_user_are_one_part(root, settlement, bob):
    both = LedgerEntry.objects.filter(account__user=bob)
    assert both.count() == 2
    assert "已冲正 1 条" in root.act(ENTRIES, "reverse_part", *both, reason="多算了")
    assert available_and_withdrawing(bob) == ("0.00", "0.00")


def test_a_part_can_be_reversed_although_another_user_has_withdrawn(root, settlement, alice, bob):
    requested_withdrawal(alice, "20")
    assert "1 条没有变化" in root.act(TRANSACTIONS, "reverse", settlement, reason="算错了")
    page = root.act(ENTRIES, "reverse_part", entry_of(alice), entry_of(bob), reason="算错了")
    assert ("已冲正 1 条" in page, "1 条没有变化" in page) == (True, True)
    assert (available_and_withdrawing(alice), available_and_withdrawing(bob)) == (
        ("0.00", "20.00"),
        ("0.00", "0.00"),
    )
    assert ledger_check.find_errors() == []


def test_a_part_is_reversed_once(root, settlement, bob):
    root.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    assert "可冲正 0 人次" in root.act(ENTRIES, "reverse_part", entry_of(bob), confirmed=False)
    assert "1 条没有变化" in root.act(ENTRIES, "reverse_part", entry_of(bob), reason="再来")
    with pytest.raises(ledger.NotReversible):
        ledger.reverse(settlement, **reversal_fields(account=Account.objects.get(user=bob)))


def test_after_a_part_the_whole_is_not_reversed(root, settlement, alice, bob):
    root.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    assert "1 条没有变化" in root.act(TRANSACTIONS, "reverse", settlement, reason="算错了")
    assert available_and_withdrawing(alice) == ("20.00", "0.00")


def test_after_the_whole_no_part_is_reversed(root, settlement, bob):
    root.act(TRANSACTIONS, "reverse", settlement, reason="算错了")
    assert "1 条没有变化" in root.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    with pytest.raises(ledger.NotReversible):
        ledger.reverse(settlement, **reversal_fields(account=Account.objects.get(user=bob)))


def test_a_part_of_a_withdrawal_transaction_cannot_be_reversed(root, settlement, alice):
    requested_withdrawal(alice, "20")
    entry = LedgerEntry.objects.filter(transaction__kind=TransactionKind.WITHDRAWAL_ASKED)[0]
    assert "1 条没有变化" in root.act(ENTRIES, "reverse_part", entry, reason="算错了")


def test_the_platforms_entry_cannot_be_reversed_as_a_part(root, settlement):
    rewards = LedgerEntry.objects.get(account__kind=Account.Kind.REWARDS)
    assert "1 条没有变化" in root.act(ENTRIES, "reverse_part", rewards, reason="算错了")
    with pytest.raises(ledger.NotReversible):
        ledger.reverse(settlement, **reversal_fields(account=rewards.account))


def test_the_pages_show_the_action_only_while_it_is_possible(root, settlement, bob):
    pages = [f"{ENTRIES}/{entry_of(bob).pk}/change/", f"{TRANSACTIONS}/{settlement.pk}/change/"]
    assert ['value="reverse' in root.page(page) for page in pages] == [True, True]
    root.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    assert ['value="reverse' in root.page(page) for page in pages] == [False, False]


@pytest.mark.parametrize(("role", "is_permitted"), [("finance", True), ("viewer", False)])
def test_a_reversal_needs_the_permission(settlement, alice, bob, role: str, is_permitted: bool):
    operator = Operator(role)
    operator.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    assert LedgerTransaction.objects.filter(kind=TransactionKind.REVERSAL).exists() == is_permitted


def force(original: LedgerTransaction, account: Account | None, *postings: ledger.Posting) -> None:
    """Post a reversal without ledger.reverse, and check the constraints at once."""
    with transaction.atomic(), connection.cursor() as cursor:
        ledger.post(
            kind=TransactionKind.REVERSAL,
            idempotency_key=f"forced:{original.pk}:{account}:{len(postings)}",
            postings=postings,
            reverses=original,
            reverses_account=account,
            **reversal_fields(),
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_database_refuses_the_whole_after_a_part(settlement, bob):
    ledger.reverse(settlement, **reversal_fields(account=Account.objects.get(user=bob)))
    with pytest.raises(IntegrityError, match="as a whole or in parts"):
        force(settlement, None)


def test_the_database_refuses_a_part_twice_under_whatever_cause(settlement, bob):
    account = Account.objects.get(user=bob)
    ledger.reverse(settlement, **reversal_fields(account=account))
    with pytest.raises(ledger.AlreadyPosted):
        force(settlement, account)


@pytest.mark.parametrize("yuan", ["19.99", "20.01"])
def test_the_database_refuses_a_part_that_is_not_the_opposite(settlement, alice, bob, yuan: str):
    account, rewards = Account.objects.get(user=alice), ledger.platform_account(Account.Kind.REWARDS)
    credit(alice, "1")
    postings = (
        ledger.Posting(account, -Decimal(yuan), income_type=IncomeType.GROUPS),
        ledger.Posting(rewards, Decimal(yuan)),
    )
    with pytest.raises(IntegrityError, match="opposite of what it reverses"):
        force(settlement, account, *postings)


def test_the_database_refuses_a_part_that_takes_from_somebody_else(settlement, alice, bob):
    account, rewards = Account.objects.get(user=alice), ledger.platform_account(Account.Kind.REWARDS)
    postings = (ledger.Posting(account, -Decimal(1)), ledger.Posting(rewards, Decimal(1)))
    with pytest.raises(IntegrityError, match="opposite of what it reverses"):
        force(settlement, Account.objects.get(user=bob), *postings)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_concurrent_reversals_of_the_whole_and_of_parts_do_not_mix(settlement, alice, bob):
    targets = [None, *Account.objects.filter(user__in=[alice, bob])] * 2

    def run(account: Account | None) -> str:
        try:
            ledger.reverse(settlement, **reversal_fields(account=account))
        except ledger.NotReversible:
            return "refused"
        finally:
            connection.close()
        return "whole" if account is None else "part"

    with ThreadPoolExecutor(len(targets)) as threads:
        results = sorted(threads.map(run, targets))
    assert results in (["part"] * 2 + ["refused"] * 4, ["refused"] * 5 + ["whole"])
    assert ledger_check.find_errors() == []
    assert (available_and_withdrawing(alice), available_and_withdrawing(bob)) == (
        ("0.00", "0.00"),
        ("0.00", "0.00"),
    )


def test_a_part_that_the_balance_cannot_return_is_marked_before_and_named_after(root, settlement, alice):
    requested_withdrawal(alice, "20")
    page = root.act(ENTRIES, "reverse_part", entry_of(alice), confirmed=False)
    assert "余额只有 0.00 元，不能冲正" in page
    page = root.act(ENTRIES, "reverse_part", entry_of(alice), reason="算错了")
    assert "138****8000：余额不够收回，没有冲正。" in page
