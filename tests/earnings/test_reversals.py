"""Wrong income put right by operators: a whole transaction, or what one person got in it; once, and never both ways."""

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
from tests.factories.money import ask, balance, give, rated
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.settlement import settle_yesterday

pytestmark = pytest.mark.django_db
ENTRIES, TRANSACTIONS = "earnings/ledgerentry", "earnings/ledgertransaction"


@pytest.fixture
def root() -> Operator:
    return Operator(username="root")


@pytest.fixture
def alice() -> User:
    return UserFactory(nickname="alice", phone="13800138000")


@pytest.fixture
def bob() -> User:
    return UserFactory(nickname="bob")


@pytest.fixture
def night(alice: User, bob: User) -> LedgerTransaction:
    """Alice, bob's apprentice, earns 20 and bob as much; bob has a group for 1 more."""
    User.objects.filter(pk=alice.pk).update(inviter=bob)
    for user, count in ((alice, 20), (bob, 1)):
        for _ in range(count):
            rated(5, user=user)
    settle_yesterday()
    return LedgerTransaction.objects.get(kind=TransactionKind.SETTLEMENT)


def entry_of(user: User) -> LedgerEntry:
    return LedgerEntry.objects.filter(account__user=user).order_by("pk")[0]


def facts(**more: Any) -> dict[str, Any]:
    now = timezone.now()
    return {"by": "root", "reason": "算错了", "at": now, "day": day_of(now), **more}


def test_a_settlement_is_reversed_in_the_admin(root, night, alice, bob):
    assert "已冲正 1 条" in root.act(TRANSACTIONS, "reverse", night, reason="方案填错了")
    assert (balance(alice), balance(bob)) == (("0.00", "0.00"), ("0.00", "0.00"))
    undone = LedgerTransaction.objects.get(kind=TransactionKind.REVERSAL)
    assert (undone.reverses, undone.posted_by, undone.reason) == (night, "root", "方案填错了")
    assert "全部" in root.page(f"{TRANSACTIONS}/")
    assert ledger_check.find_errors() == []


def test_before_a_settlement_is_reversed_the_page_says_how_much_of_how_many(root, night):
    page = root.act(TRANSACTIONS, "reverse", night, confirmed=False)
    assert "其中可冲正 1 条,涉及 2 人,共 41.00 元" in page
    assert f"{night.cause}:2 人,共 41.00 元" in page
    assert not LedgerTransaction.objects.filter(kind=TransactionKind.REVERSAL).exists()


def test_a_settlement_is_not_reversed_twice(root, night):
    root.act(TRANSACTIONS, "reverse", night, reason="算错了")
    assert "其中可冲正 0 条" in root.act(TRANSACTIONS, "reverse", night, confirmed=False)
    assert "1 条没有变化" in root.act(TRANSACTIONS, "reverse", night, reason="再来")


def test_one_persons_part_is_taken_back_and_the_others_keep_theirs(root, night, alice, bob):
    assert "已冲正 1 条" in root.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    assert (balance(alice), balance(bob)) == (("20.00", "0.00"), ("0.00", "0.00"))
    undone = LedgerTransaction.objects.get(kind=TransactionKind.REVERSAL)
    account = Account.objects.get(user=bob)
    assert (undone.reverses, undone.reverses_account) == (night, account)
    assert undone.cause == f"reversal:{night.pk}:{account.pk}"
    assert "部分" in root.page(f"{TRANSACTIONS}/")
    assert ledger_check.find_errors() == []


def test_the_page_that_asks_names_the_person_the_money_and_what_it_was_for(root, night, bob):
    User.objects.filter(pk=bob.pk).update(phone="13800138001")
    page = root.act(ENTRIES, "reverse_part", entry_of(bob), confirmed=False)
    assert "可冲正 1 人次,共 21.00 元" in page
    assert f"bob 138****8001:21.00 元({night.cause})" in page


def test_both_entries_of_a_person_are_one_part(root, night, bob):
    both = LedgerEntry.objects.filter(account__user=bob)
    assert both.count() == 2
    assert "已冲正 1 条" in root.act(ENTRIES, "reverse_part", *both, reason="多算了")
    assert balance(bob) == ("0.00", "0.00")


def test_who_has_withdrawn_keeps_nobody_else_from_being_put_right(root, night, alice, bob):
    ask(alice, "20")
    assert "1 条没有变化" in root.act(TRANSACTIONS, "reverse", night, reason="算错了")
    told = root.act(ENTRIES, "reverse_part", entry_of(alice), entry_of(bob), reason="算错了")
    assert ("已冲正 1 条" in told, "1 条没有变化" in told) == (True, True)
    assert (balance(alice), balance(bob)) == (("0.00", "20.00"), ("0.00", "0.00"))
    assert ledger_check.find_errors() == []


def test_a_part_is_taken_back_once(root, night, bob):
    root.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    assert "可冲正 0 人次" in root.act(ENTRIES, "reverse_part", entry_of(bob), confirmed=False)
    assert "1 条没有变化" in root.act(ENTRIES, "reverse_part", entry_of(bob), reason="再来")
    with pytest.raises(ledger.NotReversible):
        ledger.reverse(night, **facts(account=Account.objects.get(user=bob)))


def test_after_a_part_the_whole_is_not_reversed(root, night, alice, bob):
    root.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    assert "1 条没有变化" in root.act(TRANSACTIONS, "reverse", night, reason="算错了")
    assert balance(alice) == ("20.00", "0.00")


def test_after_the_whole_no_part_is_reversed(root, night, bob):
    root.act(TRANSACTIONS, "reverse", night, reason="算错了")
    assert "1 条没有变化" in root.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    with pytest.raises(ledger.NotReversible):
        ledger.reverse(night, **facts(account=Account.objects.get(user=bob)))


def test_what_follows_from_a_withdrawal_has_no_part_to_reverse(root, night, alice):
    ask(alice, "20")
    movement = LedgerEntry.objects.filter(transaction__kind=TransactionKind.WITHDRAWAL_ASKED)[0]
    assert "1 条没有变化" in root.act(ENTRIES, "reverse_part", movement, reason="算错了")


def test_the_houses_side_is_nobodys_part(root, night):
    house = LedgerEntry.objects.get(account__kind=Account.Kind.REWARDS)
    assert "1 条没有变化" in root.act(ENTRIES, "reverse_part", house, reason="算错了")
    with pytest.raises(ledger.NotReversible):
        ledger.reverse(night, **facts(account=house.account))


def test_the_pages_offer_it_while_it_can_be_done(root, night, bob):
    pages = [f"{ENTRIES}/{entry_of(bob).pk}/change/", f"{TRANSACTIONS}/{night.pk}/change/"]
    assert ['value="reverse' in root.page(page) for page in pages] == [True, True]
    root.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    assert ['value="reverse' in root.page(page) for page in pages] == [False, False]


@pytest.mark.parametrize(("role", "may"), [("finance", True), ("viewer", False)])
def test_it_takes_the_permission_to_reverse(night, alice, bob, role: str, may: bool):
    operator = Operator(role)
    operator.act(ENTRIES, "reverse_part", entry_of(bob), reason="多算了")
    assert LedgerTransaction.objects.filter(kind=TransactionKind.REVERSAL).exists() == may


def force(original: LedgerTransaction, account: Account | None, *postings: ledger.Posting) -> None:
    """Post a reversal past the verb, and let the database look at once."""
    with transaction.atomic(), connection.cursor() as cursor:
        ledger.post(
            kind=TransactionKind.REVERSAL,
            cause=f"forced:{original.pk}:{account}:{len(postings)}",
            postings=postings,
            reverses=original,
            reverses_account=account,
            **facts(),
        )
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_database_refuses_the_whole_after_a_part(night, bob):
    ledger.reverse(night, **facts(account=Account.objects.get(user=bob)))
    with pytest.raises(IntegrityError, match="as a whole or in parts"):
        force(night, None)


def test_the_database_refuses_a_part_twice_under_whatever_cause(night, bob):
    account = Account.objects.get(user=bob)
    ledger.reverse(night, **facts(account=account))
    with pytest.raises(ledger.AlreadyPosted):
        force(night, account)


@pytest.mark.parametrize("yuan", ["19.99", "20.01"])
def test_the_database_refuses_a_part_that_is_not_the_opposite(night, alice, bob, yuan: str):
    account, house = Account.objects.get(user=alice), ledger.platform_account(Account.Kind.REWARDS)
    give(alice, "1")
    postings = (
        ledger.Posting(account, -Decimal(yuan), slip_type=IncomeType.GROUPS),
        ledger.Posting(house, Decimal(yuan)),
    )
    with pytest.raises(IntegrityError, match="opposite of what it reverses"):
        force(night, account, *postings)


def test_the_database_refuses_a_part_that_takes_from_somebody_else(night, alice, bob):
    account, house = Account.objects.get(user=alice), ledger.platform_account(Account.Kind.REWARDS)
    postings = (ledger.Posting(account, -Decimal(1)), ledger.Posting(house, Decimal(1)))
    with pytest.raises(IntegrityError, match="opposite of what it reverses"):
        force(night, Account.objects.get(user=bob), *postings)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_whole_and_its_parts_at_once_end_in_one_way(night, alice, bob):
    wanted = [None, *Account.objects.filter(user__in=[alice, bob])] * 2

    def run(account: Account | None) -> str:
        try:
            ledger.reverse(night, **facts(account=account))
        except ledger.NotReversible:
            return "refused"
        finally:
            connection.close()
        return "whole" if account is None else "part"

    with ThreadPoolExecutor(len(wanted)) as threads:
        done = sorted(threads.map(run, wanted))
    assert done in (["part"] * 2 + ["refused"] * 4, ["refused"] * 5 + ["whole"])
    assert ledger_check.find_errors() == []
    assert (balance(alice), balance(bob)) == (("0.00", "0.00"), ("0.00", "0.00"))
