"""State machine of money: actions of users, operators, settlement and WeChat Pay in any order, with crashes anywhere.

After each step the ledger is correct. `MONEY_EXAMPLES` and `MONEY_STEPS` raise the number and the length of the runs.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts import blocking
from accounts.models import User
from config.errors import Refusal
from config.platform.dates import day_of
from earnings import ledger, ledger_check, settlement, withdrawals
from earnings.article_reads import settle_reads
from earnings.models import Account, LedgerEntry, LedgerTransaction, Payout, Withdrawal
from earnings.onboarding import onboard
from earnings.payouts import state as transitions
from earnings.payouts import worker
from groups.models import Group
from integrations.http import OutsideError
from robots.models import Robot, Scan
from tests.factories.money import rated_group
from tests.factories.people import FriendshipFactory, RobotFactory, UserFactory
from tests.support.outside_system import set_fault

pytestmark = [pytest.mark.django_db, pytest.mark.fuzz]
State = Payout.State
ENDED = ("SUCCESS", "FAIL", "CANCELLED")
_numbers = count(1)

crash = st.one_of(st.just(0), st.integers(1, 40))  # number of the statement that crashes; 0: none


class Crash(Exception):
    """A crash of the process."""


@contextmanager
def crashing(at_statement: int) -> Iterator[None]:
    """Raise a crash at the n-th statement, once; uncommitted changes are rolled back. Refusals are ignored."""
    left = [at_statement]

    def step(execute: Any, sql: str, *rest: Any) -> Any:
        if not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            left[0] -= 1
            if left[0] == 0:
                raise Crash
        return execute(sql, *rest)

    try:
        with connection.execute_wrapper(step):
            yield
    except (Crash, Refusal):
        return


class Money(RuleBasedStateMachine):
    """The state machine; all changes are rolled back at the end."""

    sandbox: Any
    users = Bundle("users")

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.sandbox.state.forget()
        self.client = worker.wechat_pay_client()
        self.now = timezone.now()

    @initialize(target=users)
    def first_user(self) -> User:
        self.robot: Robot = RobotFactory()
        return self._register(None, 0)

    @rule(target=users, inviter=users, crash_at=crash)
    def register(self, inviter: User, crash_at: int) -> User:
        return self._register(inviter, crash_at)

    def _register(self, inviter: User | None, crash_at: int) -> User:
        number = next(_numbers)
        contact = UserFactory(union_id=None, open_id="", completed_at=None, phone=f"139{number:08}")
        FriendshipFactory(user=contact, robot=self.robot)
        moment = {"scanned_at": self.now, "assigned_at": self.now}
        Scan.objects.create(
            union_id=f"u-{number}", open_id=f"o-{number}", robot=self.robot, inviter=inviter, **moment
        )
        profile = {
            "union_id": f"u-{number}",
            "open_id": f"o-{number}",
            "app_id": "sandbox",
            "nickname": "",
            "avatar_url": "",
        }
        for at_statement in (crash_at, 0):  # a second try follows the crash
            with crashing(at_statement):
                onboard(str(contact.pk), by_key_only=False, at=self.now, **profile)
        return contact

    @rule(user=users, star=st.sampled_from([3, 5, 5]))
    def add_groups(self, user: User, star: int) -> None:
        for _ in range(12):
            rated_group(star, user=user, bound_at=self.now - timedelta(days=1, hours=1))

    @rule(days=st.integers(1, 8), crash_at=crash)
    def settle_days(self, days: int, crash_at: int) -> None:
        self.now += timedelta(days=days)
        with crashing(crash_at):
            settlement.settle_missed(at=self.now)

    @rule(amount=st.sampled_from(["0.019", "1.5", "33.333", "260"]), crash_at=crash)
    def report_reads(self, amount: str, crash_at: int) -> None:
        codes = Group.objects.order_by("code").values_list("code", flat=True)[:3]
        with crashing(crash_at):
            settle_reads(
                day=day_of(self.now) - timedelta(days=1),
                amounts=dict.fromkeys([*codes, "nobody"], Decimal(amount)),
                by="bi",
                at=self.now,
            )

    @rule(user=users, amount=st.sampled_from([1, 20, 50, 500]), crash_at=crash)
    def withdraw(self, user: User, amount: int, crash_at: int) -> None:
        with crashing(crash_at):
            withdrawals.request_withdrawal(user=user, amount=Decimal(amount), at=self.now)

    @rule(by=st.sampled_from(["anna", "bert"]), crash_at=crash)
    def approve(self, by: str, crash_at: int) -> None:
        with crashing(crash_at):
            withdrawals.approve(self._to_review(), by=by, at=self.now)

    @rule(crash_at=crash)
    def reject_one(self, crash_at: int) -> None:
        with crashing(crash_at):
            withdrawals.reject(self._to_review()[:1], by="anna", reason="不符", at=self.now)

    def _to_review(self) -> list[Any]:
        waiting = Withdrawal.objects.filter(status=Withdrawal.Status.TO_REVIEW)
        return list(waiting.order_by("asked_at", "pk").values_list("pk", flat=True))

    @rule(
        set_next_state=st.sampled_from(
            ["SUCCESS", "SUCCESS", "FAIL", "WAIT_USER_CONFIRM", "PROCESSING", "NOT_ENOUGH"]
        ),
        fault=st.sampled_from(["ok", "ok", "error", "drop_reply"]),
        crash_at=crash,
    )
    def run_workers(self, set_next_state: str, fault: str, crash_at: int) -> None:
        self.now += timedelta(minutes=11)
        self.sandbox.state.note("next_bill", next_state=set_next_state)
        set_fault(self.sandbox, "pay", fault)
        with crashing(crash_at):
            self._process_payouts()
        self.sandbox.state.faults.clear()

    def _process_payouts(self) -> None:
        for do_next in (worker.send_next, worker.query_next):
            with suppress(OutsideError):
                while do_next(at=self.now, client=self.client):
                    pass

    @rule(end=st.sampled_from(["SUCCESS", "SUCCESS", "FAIL"]))
    def wechat_pay_ends_open_bills(self, end: str) -> None:
        for number, bill in self.sandbox.state.bills.items():
            if bill["state"] not in ENDED:
                self.sandbox.state.note("bill", out_bill_no=number, state=end)

    @rule(crash_at=crash)
    def wechat_pay_notifies(self, crash_at: int) -> None:
        system = next(system for name, system in self.sandbox.systems if name == "pay")
        for number in list(self.sandbox.state.bills):
            raw, headers = system.notification_of(number)
            with crashing(crash_at):
                worker.handle_notification(headers, raw, at=self.now, client=self.client)

    @rule(user=users, crash_at=crash)
    def block(self, user: User, crash_at: int) -> None:
        with crashing(crash_at):
            blocking.block(user=user, by="anna", reason="作弊", at=self.now)

    @rule(user=users)
    def unblock(self, user: User) -> None:
        blocking.unblock(user=user, at=timezone.now())

    @rule(which=st.integers(0, 30), crash_at=crash)
    def reverse(self, which: int, crash_at: int) -> None:
        posted = LedgerTransaction.objects.order_by("posted_at", "idempotency_key")[which : which + 1]
        for original in posted:
            with crashing(crash_at):
                ledger.reverse(original, by="anna", reason="记错了", at=self.now, day=day_of(self.now))

    @rule(user=users, which=st.integers(0, 30), crash_at=crash)
    def reverse_part(self, user: User, which: int, crash_at: int) -> None:
        for entry in LedgerEntry.objects.filter(account__user=user).order_by("pk")[which : which + 1]:
            with crashing(crash_at):
                fields = {"by": "anna", "reason": "多算了", "at": self.now, "day": day_of(self.now)}
                ledger.reverse(entry.transaction, account=entry.account, **fields)

    @invariant()
    def the_ledger_is_correct(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        assert ledger_check.find_errors() == []

    @invariant()
    def credits_equal_payments_plus_balances(self) -> None:
        balances = Account.objects.filter(kind="user").aggregate(a=Sum("available"), w=Sum("withdrawing"))
        credited = -self._total(Account.Kind.REWARDS)
        assert credited == self._total(Account.Kind.PAID_OUT) + (balances["a"] or 0) + (balances["w"] or 0)

    def _total(self, kind: Account.Kind) -> Decimal:
        return LedgerEntry.objects.filter(account__kind=kind).aggregate(t=Sum("amount"))["t"] or Decimal(0)

    @invariant()
    def no_returned_withdrawal_is_paid(self) -> None:
        states = {
            payout.withdrawal.out_bill_no: payout.state for payout in Payout.objects.select_related("withdrawal")
        }
        paid = {number for number, bill in self.sandbox.state.bills.items() if bill["state"] == "SUCCESS"}
        assert {states[number] for number in paid} <= {State.SENT, State.WAITING_USER, State.SUCCEEDED}
        assert {number for number, state in states.items() if state == State.SUCCEEDED} <= paid

    def teardown(self) -> None:
        """Check that each approved withdrawal is finally paid once or returned."""
        try:
            self.sandbox.state.faults.clear()
            self.sandbox.state.note("next_bill", next_state="SUCCESS")
            for _ in range(4):
                self.wechat_pay_ends_open_bills("SUCCESS")
                self.now += timedelta(hours=4)
                self._process_payouts()
                self._decide_old_payouts()
            assert not Payout.objects.filter(finished_at=None).exists()
            bills = self.sandbox.state.bills.values()
            fen = sum(bill["amount"] for bill in bills if bill["state"] == "SUCCESS")
            assert self._total(Account.Kind.PAID_OUT) * 100 == fen
        finally:
            transaction.set_rollback(True)
            self.transaction.__exit__(None, None, None)

    def _decide_old_payouts(self) -> None:
        """Decide the payouts left to operators by WeChat Pay's bills."""
        for payout in Payout.objects.needing_an_operator().select_related("withdrawal"):
            bill = self.sandbox.state.bills.get(payout.withdrawal.out_bill_no, {})
            paid = bill.get("state") == "SUCCESS"
            transitions.decide(payout.pk, paid=paid, by="anna", reason="商户平台已核对", at=self.now)


def test_the_ledger_is_correct_after_any_sequence_of_actions(sandbox: Any, settings: Any):
    settings.WECHAT_PAY_NOTIFY_URL = ""
    Money.sandbox = sandbox
    run_settings = hypothesis_settings(
        max_examples=int(os.environ.get("MONEY_EXAMPLES", "8")),
        stateful_step_count=int(os.environ.get("MONEY_STEPS", "30")),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Money, settings=run_settings)
