"""Payouts through WeChat Pay: paid once under one number, whatever fails in between."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction

from earnings.models import Payout
from earnings.tasks import query_payouts, send_payouts
from tests.factories.money import available_and_withdrawing
from tests.support.outside_system import set_fault
from tests.support.payouts import bills, query_later, set_next_state, states_of

pytestmark = pytest.mark.django_db


def test_an_approved_withdrawal_is_paid(approved, alice, sandbox):
    assert send_payouts() == 1
    assert states_of(approved) == (3, "succeeded")
    assert available_and_withdrawing(alice) == ("80.00", "0.00")
    [bill] = sandbox.state.bills.values()
    assert (bill["out_bill_no"], bill["openid"], bill["amount"]) == (approved.pk.hex, "open-alice", 2000)


def test_nothing_is_sent_twice(approved, sandbox):
    assert send_payouts() == 1
    assert send_payouts() == 0
    query_later()
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_a_failed_transfer_returns_the_money(approved, alice, sandbox):
    set_next_state(sandbox, "FAIL")
    send_payouts()
    assert states_of(approved) == (4, "failed")
    assert available_and_withdrawing(alice) == ("100.00", "0.00")
    assert "ACCOUNT_FROZEN" in approved.reason


def test_a_payout_with_a_lost_answer_is_queried_and_not_paid_again(approved, sandbox):
    set_fault(sandbox, "pay", "drop_reply")
    send_payouts()
    assert states_of(approved) == (1, "sent")
    sandbox.state.faults.clear()
    query_later()
    assert states_of(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_a_call_that_never_arrived_is_repeated_under_the_same_number(approved, sandbox):
    set_fault(sandbox, "pay")
    send_payouts()
    sandbox.state.faults.clear()
    query_later()
    assert states_of(approved) == (3, "succeeded")
    assert list(sandbox.state.bills) == [approved.pk.hex]


def test_a_call_that_arrives_late_is_not_repeated(approved, sandbox):
    """WeChat Pay does not know the number at the first query, because the call arrives after it."""
    set_fault(sandbox, "pay")
    send_payouts()
    sandbox.state.faults.clear()
    query_later(minutes=2)
    assert (states_of(approved), bills(sandbox)) == ((1, "sent"), [])
    late = {"openid": "open-alice", "amount": 2000, "transfer_bill_no": "1", "state": "SUCCESS", "asked": 1}
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, **late)
    query_later(minutes=10)
    assert states_of(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_a_payout_whose_call_timed_out_is_queried(approved, sandbox, settings):
    settings.WECHAT_PAY_TIMEOUT = 0.3
    set_fault(sandbox, "pay", "timeout")
    send_payouts()
    assert states_of(approved) == (1, "sent")
    sandbox.state.faults.clear()
    query_later()
    assert states_of(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_an_outage_of_wechat_pay_changes_nothing(approved, alice, settings):
    settings.WECHAT_PAY_BASE_URL = "http://127.0.0.1:1"
    send_payouts()
    query_later()
    assert states_of(approved) == (1, "sent")
    assert available_and_withdrawing(alice) == ("80.00", "20.00")


def test_an_unfinished_transfer_is_queried_until_it_ends(approved, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    query_later()
    assert states_of(approved) == (1, "sent")
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    query_later(minutes=10)
    assert states_of(approved) == (3, "succeeded")


def test_an_unknown_bill_state_does_not_end_a_payout(approved, sandbox):
    set_next_state(sandbox, "SOMETHING_NEW")
    send_payouts()
    assert states_of(approved) == (1, "sent")


def test_the_database_refuses_backward_transitions_of_payouts(approved, sandbox):
    send_payouts()
    with pytest.raises(IntegrityError, match="does not go from"), transaction.atomic():
        Payout.objects.update(state="prepared", finished_at=None)


def test_the_delay_between_queries_increases(approved, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    delays = []
    for _ in range(6):
        payout = Payout.objects.get()
        with time_machine.travel(payout.next_attempt_at, tick=False):
            query_payouts()
        delays.append(Payout.objects.get().next_attempt_at - payout.next_attempt_at)
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (timedelta(minutes=2), timedelta(hours=3))


def test_a_refusal_does_not_end_a_payout_with_a_bill(approved, sandbox):
    """An earlier call has arrived: WeChat Pay refuses the number and has its bill."""
    set_fault(sandbox, "pay")
    send_payouts()
    sandbox.state.faults.clear()
    number = approved.pk.hex
    late = {"openid": "open-alice", "amount": 2000, "transfer_bill_no": "1", "state": "SUCCESS"}
    sandbox.state.note("refusal", code="INVALID_REQUEST", then={"out_bill_no": number, **late})
    query_later()
    assert states_of(approved) == (3, "succeeded")


def test_a_refusal_without_a_bill_ends_the_payout(approved, alice, sandbox):
    sandbox.state.note("refusal", code="PARAM_ERROR")
    send_payouts()
    assert states_of(approved) == (4, "failed")
    assert (available_and_withdrawing(alice), approved.reason) == (("100.00", "0.00"), "微信支付拒绝：PARAM_ERROR")


@pytest.mark.parametrize("code", ["NOT_FOUND", "NO_STATEMENT_EXIST"])
def test_not_found_in_the_answer_to_a_transfer_ends_nothing(approved, alice, sandbox, code: str):
    """The bill was created anyway, and a query finds it only later."""
    sandbox.state.note("refusal", code=code)
    send_payouts()
    assert (states_of(approved), available_and_withdrawing(alice)) == ((1, "sent"), ("80.00", "20.00"))
    query_later(minutes=2)
    assert states_of(approved) == (1, "sent")
    late = {"openid": "open-alice", "amount": 2000, "transfer_bill_no": "1", "state": "SUCCESS", "asked": 1}
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, **late)
    query_later(minutes=6)
    assert (states_of(approved), bills(sandbox)) == ((3, "succeeded"), [("SUCCESS", 1)])


def test_a_transfer_that_was_not_found_is_sent_again_under_its_number_after_five_minutes(approved, sandbox):
    sandbox.state.note("refusal", code="NOT_FOUND")
    send_payouts()
    query_later(minutes=6)
    assert (states_of(approved), list(sandbox.state.bills)) == ((3, "succeeded"), [approved.pk.hex])


@pytest.mark.parametrize("code", ["NOT_FOUND", "NO_STATEMENT_EXIST"])
def test_a_transfer_that_was_not_found_does_not_stop_the_others(three, sandbox, code: str):
    sandbox.state.note("refusal", code=code)
    assert send_payouts() == 3
    assert [state for state, _ in bills(sandbox)] == ["SUCCESS", "SUCCESS"]
