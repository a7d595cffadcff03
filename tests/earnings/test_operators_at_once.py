"""Bulk actions of operators lock several accounts in primary-key order, as all other code does."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from accounts.models import User
from earnings.models import Account, LedgerTransaction, Withdrawal
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.concurrency import in_another_thread

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def two_people(*accounts: int) -> list[User]:
    """Create two users with these account keys and 20 yuan each."""
    people = [UserFactory(pk=UUID(int=number), phone=f"1380000000{number}") for number in (1, 2)]
    for user, key in zip(people, accounts, strict=True):
        Account.objects.create(pk=UUID(int=key), user=user)
        credit(user, "20")
    return people


def act_while_the_first_account_is_locked(path: str, action: str, *rows: Any) -> str:
    """Run an action while another transaction locks account 1 and then 2. Returns the page.

    The other transaction would deadlock if the action locked account 2 before account 1.
    """
    accounts, root = Account.objects.select_for_update(nowait=True), Operator()
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            accounts.get(pk=UUID(int=1))
            future = in_another_thread(threads, lambda: root.act(path, action, *rows, reason="刷单"))
            accounts.get(pk=UUID(int=2))
        return future.result()


def test_blocking_two_users_locks_in_order():
    people = two_people(2, 1)
    for user in people:
        requested_withdrawal(user)
    assert "已封禁 2 条" in act_while_the_first_account_is_locked("accounts/user", "block", *people)
    assert set(Withdrawal.objects.values_list("status", flat=True)) == {Withdrawal.Status.REJECTED}


def test_reversing_two_transactions_locks_in_order():
    two_people(1, 2)
    posted = LedgerTransaction.objects.filter(kind="settlement")
    assert "已冲正 2 条" in act_while_the_first_account_is_locked("earnings/ledgertransaction", "reverse", *posted)
