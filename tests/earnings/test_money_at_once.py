"""Concurrency on real connections: one withdrawal a day, no negative balance, no deadlock."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.blocking import block
from accounts.models import User
from config.platform.cache import redis
from earnings import ledger_check, withdrawals
from earnings.article_reads import settle_reads
from earnings.models import Account, EarningsRules, LedgerEntry, Payout, Withdrawal
from earnings.payouts import worker
from earnings.settlement import settle_day
from tests.factories.money import available_and_withdrawing, credit, rated_group, requested_withdrawal
from tests.factories.people import UserFactory, days_ago
from tests.support.client import ApiClient

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.xdist_group("connections"),  # two hundred of the 500 that PostgreSQL has here
]


def day(back: int) -> date:
    return timezone.localdate() - timedelta(days=back)


def at_once(*works: Callable[[], object]) -> list[object]:
    """Run all functions concurrently, each on its own connection. Returns their results."""
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> object:
        try:
            with connection.cursor() as cursor:  # 200 transactions on one lock need more than the default
                cursor.execute("SET lock_timeout = '60s'")
            barrier.wait(180)
            return work()
        except Exception:
            barrier.abort()  # otherwise the other threads would wait for this one
            raise
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as threads:
        futures = [threads.submit(run, work) for work in works]
    errors = [error for future in futures if (error := future.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
        raise error  # a cause before its consequences
    return [future.result() for future in futures]


@pytest.fixture(autouse=True)
def _many_requests(settings, monkeypatch) -> None:
    """Allow two hundred requests of one user in one process."""
    settings.THROTTLE_RATES = {**settings.THROTTLE_RATES, "withdraw": "1000/60"}
    monkeypatch.setattr(redis().connection_pool, "max_connections", 400)


def test_one_of_two_hundred_concurrent_withdrawals_is_accepted():
    alice = UserFactory(phone="13800138000")
    credit(alice, "100000")
    client = ApiClient(alice)
    codes = at_once(*[lambda: client.post("/withdraw", {"balance": "20"})["code"]] * 200)
    assert Counter(codes) == {1200: 1, 3003: 199}
    assert available_and_withdrawing(alice) == ("99980.00", "20.00")
    assert (Withdrawal.objects.count(), ledger_check.find_errors()) == (1, [])


def test_one_of_two_hundred_concurrent_withdrawals_of_the_whole_balance_is_accepted():
    alice = UserFactory(phone="13800138000")
    credit(alice, "20")
    client = ApiClient(alice)
    codes = at_once(*[lambda: client.post("/withdraw", {"balance": "20"})["code"]] * 200)
    assert Counter(codes) == {1200: 1, 3002: 199}
    assert available_and_withdrawing(alice) == ("0.00", "20.00")


def test_concurrent_approvals_create_one_payout():
    alice = UserFactory(phone="13800138000")
    credit(alice, "20")
    asked = requested_withdrawal(alice)
    approve = [lambda: len(withdrawals.approve([asked.pk], by="root", at=timezone.now()).paying)] * 20
    assert sum(at_once(*approve)) == 1
    assert Payout.objects.count() == 1


def test_a_refused_withdrawal_waits_for_no_lock():
    alice = UserFactory(phone="13800138000")
    credit(alice, "10")
    client = ApiClient(alice)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=alice.pk)
        Account.objects.select_for_update().get(user=alice)
        [code] = at_once(lambda: client.post("/withdraw", {"balance": "500"})["code"])
    assert code == 3002


def test_a_concurrent_approval_rejection_and_block_end_in_a_rejection():
    alice = UserFactory(phone="13800138000")
    credit(alice, "20")
    asked, now = requested_withdrawal(alice), timezone.now()
    at_once(
        lambda: withdrawals.approve([asked.pk], by="root", at=now),
        lambda: withdrawals.reject([asked.pk], by="root", reason="不符", at=now),
        lambda: block(user=alice, by="root", reason="作弊", at=now),
    )
    assert Withdrawal.objects.get().status == Withdrawal.Status.REJECTED
    assert (available_and_withdrawing(alice), ledger_check.find_errors()) == (("20.00", "0.00"), [])


def test_concurrent_settlements_withdrawals_rejections_and_blocks_do_not_deadlock():
    """Several accounts are always locked in one order; new accounts are opened at the same time."""
    EarningsRules.objects.update(settle_from=day(9))
    now, users = timezone.now(), [UserFactory(phone=f"138{number:08}") for number in range(12)]
    for user in users[:8]:
        credit(user, "40")
    for user in users:
        rated_group(5, user=user, bound_at=days_ago(9))
    asked = [requested_withdrawal(user, "20", days_ago=1).pk for user in users[:8]]
    codes = dict.fromkeys([group.code for user in users for group in user.served_groups.all()], Decimal(1))

    def ask_again(user: User) -> object:
        return ApiClient(user).post("/withdraw", {"balance": "20"})["code"]

    answers = at_once(
        *[lambda back=back: settle_day(day(back), at=now).is_new for back in range(1, 6)],
        *[
            lambda back=back: settle_reads(day=day(back), amounts=codes, by="bi", at=now).group_count
            for back in range(1, 4)
        ],
        *[lambda user=user: ask_again(user) for user in users],
        lambda: len(withdrawals.reject(asked[::2], by="root", reason="不符", at=now)),
        lambda: len(withdrawals.reject(asked[::-1][::2], by="root", reason="不符", at=now)),
        lambda: block(user=users[11], by="root", reason="作弊", at=now),
    )
    assert answers[:5] == [True] * 5
    assert 1500 not in answers
    assert 1503 not in answers
    assert ledger_check.find_errors() == []
    assert LedgerEntry.objects.filter(account__user=users[0], income_type=0).count() == 6


def test_concurrent_sweeps_send_each_payout_once(sandbox):
    for number in range(6):
        user = UserFactory(phone=f"1370013700{number}")
        credit(user, "20")
        withdrawals.approve([requested_withdrawal(user).pk], by="root", at=timezone.now())
    client = worker.wechat_pay_client()

    def send_all() -> int:
        return sum(iter(lambda: worker.send_next(at=timezone.now(), client=client), False))

    assert sum(at_once(*[send_all] * 4)) == 6
    assert {payout.state for payout in Payout.objects.all()} == {Payout.State.SUCCEEDED}


def test_a_settlement_leaves_nothing_in_the_session():
    rated_group(5, bound_at=days_ago(9))
    settle_day(day(1), at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relnamespace = pg_my_temp_schema()")
        assert cursor.fetchone() == (0,)
