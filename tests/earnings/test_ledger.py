"""Rules of the ledger that PostgreSQL itself enforces."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, InternalError, connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts.models import User
from config.platform.dates import day_of
from earnings import ledger, ledger_check
from earnings.ledger import Posting
from earnings.models import Account, Bucket, IncomeType, LedgerEntry, LedgerTransaction, TransactionKind
from earnings.tasks import check_ledger
from tests.factories.money import available_and_withdrawing, credit
from tests.factories.people import UserFactory
from tests.support.triggers import disable_trigger

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    """Return a user without money."""
    return UserFactory()


def sql(statement: str, *values: object) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement, values)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def post(*postings: Posting, idempotency_key: str = "") -> LedgerTransaction:
    now = timezone.now()
    return ledger.post(
        kind=TransactionKind.SETTLEMENT,
        idempotency_key=idempotency_key or f"test:{uuid4()}",
        day=day_of(now),
        at=now,
        postings=postings,
    )


def test_a_balanced_transaction_changes_the_balance(alice):
    credit(alice, "12.34")
    assert available_and_withdrawing(alice) == ("12.34", "0.00")


def test_an_unbalanced_transaction_is_refused(alice):
    account = ledger.account_of(alice)
    with pytest.raises(IntegrityError, match="add up to nothing"), transaction.atomic():
        post(
            Posting(account, Decimal("1.00"), income_type=IncomeType.OTHER),
            Posting(ledger.platform_account(Account.Kind.REWARDS), Decimal("-0.99")),
        )
    assert available_and_withdrawing(alice) == ("0.00", "0.00")


def test_a_transaction_without_entries_is_refused():
    with pytest.raises(IntegrityError, match="at least two entries"):
        sql(
            "INSERT INTO earnings_ledgertransaction (id, kind, idempotency_key, day, posted_at, posted_by, reason)"
            " VALUES (gen_random_uuid(), 'settlement', 'x', current_date, now(), '', '')"
        )


def test_entries_added_to_a_transaction_later_must_balance_too(alice):
    credit(alice, "5")
    posted = LedgerTransaction.objects.get()
    with pytest.raises(IntegrityError, match="add up to nothing"):
        sql(
            "INSERT INTO earnings_ledgerentry (transaction_id, account_id, bucket, amount, day)"
            " VALUES (%s, %s, 'available', 1, %s)",
            posted.pk,
            ledger.account_of(alice).pk,
            posted.day,
        )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE earnings_ledgerentry SET amount = amount * 2",
        "UPDATE earnings_ledgerentry SET account_id = account_id",
        "DELETE FROM earnings_ledgerentry",
        "UPDATE earnings_ledgertransaction SET idempotency_key = 'x'",
        "DELETE FROM earnings_ledgertransaction",
    ],
)
def test_history_cannot_be_changed(alice, statement: str):
    credit(alice, "5")
    with pytest.raises((IntegrityError, InternalError), match="append-only"):
        sql(statement)


@pytest.mark.parametrize("table", ["ledgerentry", "ledgertransaction", "withdrawalstep"])
def test_history_cannot_be_truncated(table: str):
    with pytest.raises((IntegrityError, InternalError), match=f"earnings_{table} is append-only"):
        sql(f"TRUNCATE earnings_{table} CASCADE")


@pytest.mark.parametrize("column", ["available", "withdrawing", "earned"])
def test_totals_cannot_be_set_directly(alice, column: str):
    credit(alice, "5")
    with pytest.raises(IntegrityError, match="follow from its entries"):
        sql(f"UPDATE earnings_account SET {column} = {column} + 1 WHERE kind = 'user'")


def test_an_account_starts_at_zero(alice):
    with pytest.raises(IntegrityError, match="follow from its entries"), transaction.atomic():
        Account.objects.create(user=alice, available=Decimal(1))


def test_the_available_balance_is_never_negative(alice):
    credit(alice, "5")
    account = ledger.account_of(alice)
    with pytest.raises(ledger.BalanceWouldBeNegative), transaction.atomic():
        post(
            Posting(account, Decimal("-5.01"), income_type=IncomeType.OTHER),
            Posting(ledger.platform_account(Account.Kind.REWARDS), Decimal("5.01")),
        )
    assert available_and_withdrawing(alice) == ("5.00", "0.00")


def test_the_withdrawing_balance_is_never_negative(alice):
    credit(alice, "5")
    account = ledger.account_of(alice)
    with pytest.raises(ledger.BalanceWouldBeNegative), transaction.atomic():
        post(Posting(account, Decimal(-1), Bucket.WITHDRAWING), Posting(account, Decimal(1)))


def test_a_zero_entry_is_refused(alice):
    account = ledger.account_of(alice)
    with pytest.raises(IntegrityError, match="entry_moves_something"), transaction.atomic():
        post(Posting(account, Decimal(0)), Posting(ledger.platform_account(Account.Kind.REWARDS), Decimal(0)))


def test_the_same_cause_is_posted_once(alice):
    account, rewards = ledger.account_of(alice), ledger.platform_account(Account.Kind.REWARDS)
    postings = (Posting(account, Decimal(1), income_type=IncomeType.OTHER), Posting(rewards, Decimal(-1)))
    post(*postings, idempotency_key="once")
    with pytest.raises(ledger.AlreadyPosted):
        post(*postings, idempotency_key="once")
    assert available_and_withdrawing(alice) == ("1.00", "0.00")


def test_a_second_account_of_a_user_is_refused(alice):
    ledger.account_of(alice)
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.create(user=alice)


def test_a_reversal_is_the_opposite_once_with_a_reason(alice):
    credit(alice, "5")
    posted, now = LedgerTransaction.objects.get(), timezone.now()
    fields = {"by": "root", "reason": "算错了", "at": now, "day": day_of(now)}
    ledger.reverse(posted, **fields)
    assert available_and_withdrawing(alice) == ("0.00", "0.00")
    with pytest.raises(ledger.NotReversible):
        ledger.reverse(posted, **fields)


def test_a_reversal_is_not_reversed(alice):
    credit(alice, "5")
    now = timezone.now()
    fields = {"by": "root", "reason": "算错了", "at": now, "day": day_of(now)}
    reversal = ledger.reverse(LedgerTransaction.objects.get(), **fields)
    with pytest.raises(ledger.NotReversible):
        ledger.reverse(reversal, **fields)


def test_a_reversal_needs_an_author_and_a_reason(alice):
    credit(alice, "5")
    now = timezone.now()
    with pytest.raises(IntegrityError, match="reversal_names_what_who_and_why"), transaction.atomic():
        ledger.reverse(LedgerTransaction.objects.get(), by="root", reason="", at=now, day=day_of(now))


def test_the_check_finds_nothing_in_a_correct_ledger(alice, capsys):
    credit(alice, "5")
    call_command("check_ledger")
    assert "in order" in capsys.readouterr().out


def test_the_daily_check_is_stored_for_the_home_page(alice, caplog):
    credit(alice, "5")
    assert check_ledger() == 0
    assert ledger_check.last_check().findings == []
    disable_trigger("earnings.Account:totals_follow_from_entries")
    sql("UPDATE earnings_account SET available = 6 WHERE kind = 'user'")
    assert check_ledger() == 1
    assert ledger_check.last_check().findings == [f"账户余额与分录不符：{ledger.account_of(alice).pk}"]
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]


def test_the_check_finds_a_manipulated_total(alice):
    credit(alice, "5")
    disable_trigger("earnings.Account:totals_follow_from_entries")
    sql("UPDATE earnings_account SET available = 6 WHERE kind = 'user'")
    with pytest.raises(CommandError, match="1 findings"):
        call_command("check_ledger")


def test_the_check_finds_manipulated_entries(alice):
    credit(alice, "5")
    disable_trigger("earnings.LedgerEntry:append_only")
    sql("UPDATE earnings_ledgerentry SET amount = 6 WHERE amount = 5")
    assert len(ledger_check.find_errors()) == 2


yuan = st.integers(min_value=-500, max_value=1000).filter(bool).map(lambda cents: Decimal(cents) / 100)


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(yuan, max_size=12))
def test_totals_always_equal_the_sums_of_the_entries(alice, amounts):
    account, rewards = ledger.account_of(alice), ledger.platform_account(Account.Kind.REWARDS)
    for amount in amounts:
        try:
            with transaction.atomic():
                post(Posting(account, amount, income_type=IncomeType.OTHER), Posting(rewards, -amount))
        except ledger.BalanceWouldBeNegative:
            continue
    entries = LedgerEntry.objects.filter(account=account).values_list("amount", flat=True)
    account.refresh_from_db()
    assert account.available == account.earned == sum(entries, Decimal(0)) >= 0
    assert ledger_check.find_errors() == []
