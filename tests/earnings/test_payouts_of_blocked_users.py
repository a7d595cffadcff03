"""Blocking a user with an open payout: nothing more is sent, paid money stays paid, the rest is returned."""

import pytest
from django.utils import timezone

from earnings.payouts import blocked_users
from earnings.tasks import query_payouts, send_payouts
from tests.factories.money import available_and_withdrawing
from tests.support.client import ApiClient
from tests.support.outside_system import set_fault
from tests.support.payouts import bills, block, query_later, set_next_state, states_of

pytestmark = pytest.mark.django_db


def test_blocking_rejects_unsent_withdrawals(approved, alice, sandbox):
    blocked_users.reject_unpaid_of(alice, by="root", reason="封号", at=timezone.now())
    assert states_of(approved) == (2, "withdrawn")
    assert available_and_withdrawing(alice) == ("100.00", "0.00")
    assert send_payouts() == 0


def test_blocking_does_not_reject_a_sent_withdrawal(approved, alice, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    blocked_users.reject_unpaid_of(alice, by="root", reason="封号", at=timezone.now())
    assert states_of(approved) == (1, "sent")


def test_a_user_blocked_between_approval_and_sending_is_not_paid(approved, alice, sandbox):
    block(alice)
    assert send_payouts() == 0
    assert states_of(approved) == (2, "withdrawn")
    assert available_and_withdrawing(alice) == ("100.00", "0.00")


def test_a_transfer_waiting_for_a_blocked_user_is_cancelled_and_refunded(approved, alice, sandbox):
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    block(alice)
    assert "confirm" not in ApiClient(alice).get("/withdraw")["data"]
    query_payouts()
    assert states_of(approved) == (4, "failed")
    assert (available_and_withdrawing(alice), bills(sandbox)) == (("100.00", "0.00"), [("CANCELLED", 1)])


def test_a_call_that_never_arrived_is_not_repeated_for_a_blocked_user(approved, alice, sandbox):
    set_fault(sandbox, "pay")
    send_payouts()
    sandbox.state.faults.clear()
    block(alice)
    query_payouts()
    assert states_of(approved) == (1, "sent")  # the call may still arrive
    query_later()
    assert states_of(approved) == (4, "failed")
    assert (available_and_withdrawing(alice), bills(sandbox)) == (("100.00", "0.00"), [])


def test_a_payout_paid_before_the_block_stays_paid(approved, alice, sandbox):
    set_fault(sandbox, "pay", "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    block(alice)
    query_payouts()
    assert states_of(approved) == (3, "succeeded")
    assert available_and_withdrawing(alice) == ("80.00", "0.00")
