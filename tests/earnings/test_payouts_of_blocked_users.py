"""A block and a payout under way: nothing more is sent, what is paid stays paid, the rest returns."""

import pytest
from django.utils import timezone

from earnings import withdrawals
from earnings.tasks import query_payouts, send_payouts
from tests.factories.money import balance
from tests.support.client import ApiClient
from tests.support.payouts import bills, block, query_later, set_fault, set_next_state, states_of

pytestmark = pytest.mark.django_db


def test_blocking_takes_back_what_was_not_sent(approved, alice, sandbox):
    withdrawals.reject_unpaid_of(alice, by="root", reason="封号", at=timezone.now())
    assert states_of(approved) == (2, "withdrawn")
    assert balance(alice) == ("100.00", "0.00")
    assert send_payouts() == 0


def test_blocking_leaves_what_may_be_out_to_its_outcome(approved, alice, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    withdrawals.reject_unpaid_of(alice, by="root", reason="封号", at=timezone.now())
    assert states_of(approved) == (1, "sent")


def test_a_user_blocked_between_approval_and_sending_is_not_paid(approved, alice, sandbox):
    block(alice)
    assert send_payouts() == 0
    assert states_of(approved) == (2, "withdrawn")
    assert balance(alice) == ("100.00", "0.00")


def test_what_waits_for_a_user_who_is_blocked_is_cancelled_and_refunded(approved, alice, sandbox):
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    block(alice)
    assert "confirm" not in ApiClient(alice).get("/withdraw")["data"]
    query_payouts()
    assert states_of(approved) == (4, "failed")
    assert (balance(alice), bills(sandbox)) == (("100.00", "0.00"), [("CANCELLED", 1)])


def test_what_never_arrived_is_not_sent_again_for_a_blocked_user(approved, alice, sandbox):
    set_fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    block(alice)
    query_payouts()
    assert states_of(approved) == (1, "sent")  # the call may still be on its way
    query_later()
    assert states_of(approved) == (4, "failed")
    assert (balance(alice), bills(sandbox)) == (("100.00", "0.00"), [])


def test_what_was_paid_before_the_block_stays_paid(approved, alice, sandbox):
    set_fault(sandbox, "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    block(alice)
    query_payouts()
    assert states_of(approved) == (3, "succeeded")
    assert balance(alice) == ("80.00", "0.00")
