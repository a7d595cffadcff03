"""The payout worker is killed at every step. Each withdrawal is paid once, and the ledger agrees with WeChat Pay."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from config.models import SweepLease
from earnings import ledger_check, withdrawals
from earnings.models import Payout, Withdrawal
from earnings.tasks import query_payouts, send_payouts
from tests.factories.money import available_and_withdrawing, credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.killable import Killable
from tests.support.outside_system import set_fault

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("processes"),
]
MANY = 200  # more steps than a payout has


@pytest.fixture
def worker(sandbox: Any, settings: Any) -> Iterator[Killable]:
    settings.WECHAT_PAY_NOTIFY_URL = ""
    killable = Killable(
        connection.settings_dict["NAME"],
        WECHAT_PAY_BASE_URL=sandbox.url,
        RUN_DIR=str(settings.RUN_DIR),
        WECHAT_PAY_NOTIFY_URL="http://127.0.0.1:1",
    )
    yield killable
    killable.close()


def approved(number: int) -> Withdrawal:
    user = UserFactory(phone=f"138{number:08}", open_id=f"open-{number}")
    credit(user, "100")
    withdrawal = requested_withdrawal(user)
    withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
    return withdrawal


def recover(*later: int) -> None:
    """Run the workers to the end, these numbers of minutes later."""
    for minutes in later or (6, 20, 60):
        with time_machine.travel(timezone.now() + timedelta(minutes=minutes), tick=True):
            send_payouts()
            query_payouts()


def assert_paid_once(sandbox: Any, requested: list[Withdrawal]) -> None:
    paid = {number: bill["amount"] for number, bill in sandbox.state.bills.items() if bill["state"] == "SUCCESS"}
    assert paid == {withdrawal.pk.hex: 2000 for withdrawal in requested}
    assert set(Withdrawal.objects.values_list("status", flat=True)) == {Withdrawal.Status.PAID}
    assert {available_and_withdrawing(withdrawal.user) for withdrawal in requested} == {("80.00", "0.00")}
    assert ledger_check.find_errors() == []
    output = StringIO()
    call_command("reconcile_payouts", f"--date={timezone.localdate()}", stdout=output, stderr=StringIO())
    assert "no difference" in output.getvalue()


def test_killed_at_every_step_of_sending(worker: Killable, sandbox: Any):
    requested: list[Withdrawal] = []
    for step in range(1, MANY):
        requested.append(approved(step))
        [(killed, _)] = worker.run(("send_payouts", step))
        if not killed:
            break
        recover(6)
    assert 15 < step < MANY  # the worker was killed at each step, and then it got through
    recover()
    assert_paid_once(sandbox, requested)


def test_killed_at_every_step_of_querying(worker: Killable, sandbox: Any):
    """The response to the transfer was lost; the worker that queries the bill is killed."""
    requested: list[Withdrawal] = []
    for step in range(1, MANY):
        requested.append(approved(step))
        set_fault(sandbox, "pay", "drop_reply")
        send_payouts()
        sandbox.state.faults.clear()
        Payout.objects.filter(finished_at=None).update(next_attempt_at=timezone.now())
        [(killed, _)] = worker.run(("query_payouts", step))
        if not killed:
            break
        recover(6)
    assert 15 < step < MANY
    recover()
    assert_paid_once(sandbox, requested)


def test_two_workers_killed_side_by_side(worker: Killable, sandbox: Any):
    requested = [approved(number) for number in range(8)]
    for step in range(5, 60, 7):
        worker.run(("send_payouts", step), ("send_payouts", step + 3), ("query_payouts", step))
        SweepLease.objects.update(leased_until=timezone.now())  # as if a minute had passed
    recover()
    assert_paid_once(sandbox, requested)
