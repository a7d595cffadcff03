"""The ledger's lists read like a statement: who, what, how much, and the balance after it."""

import csv
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from earnings.models import IncomeType, LedgerEntry, LedgerTransaction, TransactionKind
from tests.factories.money import credit, rated_group, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.admin_tables import listed_rows
from tests.support.settlement import settle_yesterday

pytestmark = pytest.mark.django_db
ENTRIES, TRANSACTIONS = "earnings/ledgerentry/", "earnings/ledgertransaction/"


@pytest.fixture
def li() -> User:
    """A user with 1500.50 yuan, of which 20 are requested."""
    user = UserFactory(nickname="李雷", phone="13800138000", code="wx-li")
    credit(user, "1000.00")
    credit(user, "500.50", income_type=IncomeType.OTHER)
    requested_withdrawal(user)
    return user


def entries(root: Operator, **query: str) -> list[tuple[str, str, str]]:
    """Return (amount, balance, balance after) of the listed entries."""
    rows = listed_rows(root.page(ENTRIES, **query))
    return [(row["amount"], row["bucket_name"], row["balance_after"]) for row in rows]


def test_entries_show_the_balance_after_each(root, li):
    assert entries(root, q="李雷") == [
        ("+20.00", "提现中", "20.00"),
        ("-20.00", "可提现", "1,480.50"),
        ("+500.50", "可提现", "1,500.50"),
        ("+1,000.00", "可提现", "1,000.00"),
    ]


def test_the_balance_counts_the_entries_that_a_filter_leaves_out(root, li):
    credit(UserFactory(nickname="韩梅"), "7")
    assert entries(root, q="李雷", amount_to="-1") == [("-20.00", "可提现", "1,480.50")]
    assert ("+7.00", "可提现", "7.00") in entries(root)


def test_an_entry_with_very_many_later_ones_shows_no_balance(root, li, monkeypatch):
    monkeypatch.setattr("earnings.admin.ledger_pages.MOST_LATER", 2)
    assert [shown for _amount, _bucket, shown in entries(root, q="李雷")] == ["20.00", "1,480.50", "-", "-"]


def test_the_platform_has_no_balance(root, li):
    assert ("-1,000.00", "-", "-") in entries(root)


def test_an_entry_names_the_person_and_the_kind(root, li):
    row = next(row for row in listed_rows(root.page(ENTRIES, q="wx-li")) if row["amount"] == "+500.50")
    assert (row["person"], row["kind"]) == ("李雷 138****8000", "每日结算（其他）")
    assert f'<a href="/admin/accounts/user/{li.pk}/change/">李雷 138****8000</a>' in root.page(ENTRIES, q="wx-li")


@pytest.mark.parametrize("term", ["8001380", "李", "wx-li"])
def test_entries_are_found_by_person(root, li, term):
    credit(UserFactory(nickname="韩梅", phone="13900139000"), "7")
    assert len(entries(root, q=term)) == 4


def test_entries_are_found_by_business_number_and_by_day(root, li):
    asked = LedgerTransaction.objects.get(kind=TransactionKind.WITHDRAWAL_ASKED)
    assert len(entries(root, q=asked.idempotency_key)) == 2
    credit(li, "3", at=timezone.now() - timedelta(days=9))
    day = f"{timezone.localdate() - timedelta(days=9):%F}"
    assert entries(root, q="李雷", day_from=day, day_to=day)[0][0] == "+3.00"
    assert len(entries(root, q="李雷", day_from=day, day_to=day)) == 1


def test_an_amount_without_a_person_is_searched_among_the_newest_entries(root, li, monkeypatch):
    assert len(entries(root, amount_from="1000")) == 1
    monkeypatch.setattr("earnings.admin.ledger._NEWEST", 2)
    assert entries(root, amount_from="1000") == []
    assert len(entries(root, amount_from="1000", q="李雷")) == 1


def test_an_export_has_amounts_and_balances_as_numbers(root, li):
    chosen = LedgerEntry.objects.filter(account__user=li, amount="500.50")
    body = {"action": "export", "_selected_action": [str(row.pk) for row in chosen]}
    content = b"".join(root.http.post(f"/admin/{ENTRIES}", body).streaming_content).decode("utf-8-sig")
    [head, row] = csv.reader(io.StringIO(content))
    line = dict(zip(head, row, strict=True))
    assert (line["账户"], line["金额（元）"], line["之后余额（元）"]) == ("李雷 138****8000", "500.50", "1500.50")


def test_a_transaction_names_its_people_and_amount(root, li):
    han = UserFactory(nickname="韩梅")
    for owner in (li, han):
        rated_group(5, user=owner)
    settle_yesterday()
    settlement = LedgerTransaction.objects.latest("posted_at")
    rows = listed_rows(root.page(TRANSACTIONS, q=settlement.idempotency_key))
    people, amount = rows[0]["people"], rows[0]["amount"]
    total = -LedgerEntry.objects.get(transaction=settlement, account__user=None).amount
    assert people in ("李雷 138****8000 等 2 人", "韩梅 等 2 人")
    assert amount == f"{total:,.2f}"


def test_transactions_are_found_by_person_and_amount(root, li):
    credit(UserFactory(nickname="韩梅", phone="13900139000"), "7")
    by_person = listed_rows(root.page(TRANSACTIONS, q="李雷"))
    assert [row["amount"] for row in by_person] == ["20.00", "500.50", "1,000.00"]
    assert [row["kind"] for row in by_person] == ["申请提现", "每日结算", "每日结算"]
    assert [row["amount"] for row in listed_rows(root.page(TRANSACTIONS, q="13900139"))] == ["7.00"]
    assert [row["amount"] for row in listed_rows(root.page(TRANSACTIONS, size_from="5", size_to="30"))] == [
        "7.00",
        "20.00",
    ]


def test_a_transaction_of_very_many_people_counts_some_of_them(root, li, monkeypatch):
    monkeypatch.setattr("earnings.admin.ledger_pages.COUNTED_PEOPLE", 2)
    for owner in (li, UserFactory(), UserFactory()):
        rated_group(5, user=owner)
    settle_yesterday()
    settlement = LedgerTransaction.objects.latest("posted_at")
    assert listed_rows(root.page(TRANSACTIONS, q=settlement.idempotency_key))[0]["people"].endswith("人以上")


def test_rows_of_the_ledger_are_named_after_their_person(li):
    credited = LedgerEntry.objects.get(account__user=li, amount="500.50")
    assert str(credited.account) == "李雷 的账户"
    assert str(credited) == "李雷 的账户：可提现 +500.50 元"
    assert str(credited.transaction) == f"每日结算 {timezone.localdate()}"
