"""Paying through WeChat Pay: once under one number, whatever fails in between."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction

from earnings.models import Payout
from earnings.tasks import query_payouts, send_payouts
from tests.factories.money import balance
from tests.support.payouts import bills, query_later, set_fault, set_next_state, states_of

pytestmark = pytest.mark.django_db


def test_an_approved_withdrawal_is_paid(approved, alice, sandbox):
    assert send_payouts() == 1
    assert states_of(approved) == (3, "succeeded")
    assert balance(alice) == ("80.00", "0.00")
    [bill] = sandbox.state.bills.values()
    assert (bill["out_bill_no"], bill["openid"], bill["amount"]) == (approved.pk.hex, "open-alice", 2000)


def test_nothing_is_sent_twice(approved, sandbox):
    assert send_payouts() == 1
    assert send_payouts() == 0
    query_later()
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_a_failed_transfer_gives_the_money_back(approved, alice, sandbox):
    set_next_state(sandbox, "FAIL")
    send_payouts()
    assert states_of(approved) == (4, "failed")
    assert balance(alice) == ("100.00", "0.00")
    assert "ACCOUNT_FROZEN" in approved.reason


def test_a_lost_reply_is_asked_about_and_never_paid_again(approved, sandbox):
    set_fault(sandbox, "drop_reply")
    send_payouts()
    assert states_of(approved) == (1, "sent")
    sandbox.state.faults.clear()
    query_later()
    assert states_of(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_a_call_that_never_arrived_is_made_again_under_the_same_number(approved, sandbox):
    set_fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    query_later()
    assert states_of(approved) == (3, "succeeded")
    assert list(sandbox.state.bills) == [approved.pk.hex]


def test_a_call_that_arrives_late_is_not_made_twice(approved, sandbox):
    """WeChat Pay does not know the number yet; the call is still on its way and arrives after we asked."""
    set_fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    query_later(minutes=2)
    assert (states_of(approved), bills(sandbox)) == ((1, "sent"), [])
    late = {"openid": "open-alice", "amount": 2000, "transfer_bill_no": "1", "state": "SUCCESS", "asked": 1}
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, **late)
    query_later(minutes=10)
    assert states_of(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_a_call_that_is_not_answered_in_time_is_asked_about(approved, sandbox, settings):
    settings.WECHAT_PAY_TIMEOUT = 0.3
    set_fault(sandbox, "timeout")
    send_payouts()
    assert states_of(approved) == (1, "sent")
    sandbox.state.faults.clear()
    query_later()
    assert states_of(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_wechat_pay_being_away_changes_nothing(approved, alice, settings):
    settings.WECHAT_PAY_BASE_URL = "http://127.0.0.1:1"
    send_payouts()
    query_later()
    assert states_of(approved) == (1, "sent")
    assert balance(alice) == ("80.00", "20.00")


def test_an_unfinished_transfer_is_asked_about_until_it_ends(approved, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    query_later()
    assert states_of(approved) == (1, "sent")
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    query_later(minutes=10)
    assert states_of(approved) == (3, "succeeded")


def test_a_new_word_of_wechat_pay_is_no_end(approved, sandbox):
    set_next_state(sandbox, "SOMETHING_NEW")
    send_payouts()
    assert states_of(approved) == (1, "sent")


def test_the_database_lets_no_payout_go_back(approved, sandbox):
    send_payouts()
    with pytest.raises(IntegrityError, match="does not go from"), transaction.atomic():
        Payout.objects.update(state="prepared", ended_at=None)


def test_a_payout_is_asked_about_seldom_and_seldomer(approved, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    waits = []
    for _ in range(6):
        payout = Payout.objects.get()
        with time_machine.travel(payout.due_at, tick=False):
            query_payouts()
        waits.append(Payout.objects.get().due_at - payout.due_at)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(minutes=2), timedelta(hours=3))


def test_a_refusal_is_not_believed_while_there_is_a_bill(approved, sandbox):
    """Another call of ours had arrived meanwhile: WeChat Pay refuses the number, and has it."""
    set_fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    number = approved.pk.hex
    late = {"openid": "open-alice", "amount": 2000, "transfer_bill_no": "1", "state": "SUCCESS"}
    sandbox.state.note("refusal", code="INVALID_REQUEST", then={"out_bill_no": number, **late})
    query_later()
    assert states_of(approved) == (3, "succeeded")


def test_a_refusal_without_a_bill_ends_it(approved, alice, sandbox):
    sandbox.state.note("refusal", code="PARAM_ERROR")
    send_payouts()
    assert states_of(approved) == (4, "failed")
    assert (balance(alice), approved.reason) == (("100.00", "0.00"), "微信支付拒绝:PARAM_ERROR")


@pytest.mark.parametrize("code", ["NOT_FOUND", "NO_STATEMENT_EXIST"])
def test_not_found_as_an_answer_to_the_transfer_itself_says_nothing(approved, alice, sandbox, code: str):
    """The bill was made all the same, and a query shows it only later."""
    sandbox.state.note("refusal", code=code)
    send_payouts()
    assert (states_of(approved), balance(alice)) == ((1, "sent"), ("80.00", "20.00"))
    query_later(minutes=2)
    assert states_of(approved) == (1, "sent")
    late = {"openid": "open-alice", "amount": 2000, "transfer_bill_no": "1", "state": "SUCCESS", "asked": 1}
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, **late)
    query_later(minutes=6)
    assert (states_of(approved), bills(sandbox)) == ((3, "succeeded"), [("SUCCESS", 1)])


def test_a_transfer_that_was_not_found_is_made_again_under_its_number_after_the_quiet_time(approved, sandbox):
    sandbox.state.note("refusal", code="NOT_FOUND")
    send_payouts()
    query_later(minutes=6)
    assert (states_of(approved), list(sandbox.state.bills)) == ((3, "succeeded"), [approved.pk.hex])


@pytest.mark.parametrize("code", ["NOT_FOUND", "NO_STATEMENT_EXIST"])
def test_a_transfer_that_was_not_found_keeps_no_other_from_being_made(three, sandbox, code: str):
    sandbox.state.note("refusal", code=code)
    assert send_payouts() == 3
    assert [state for state, _ in bills(sandbox)] == ["SUCCESS", "SUCCESS"]
