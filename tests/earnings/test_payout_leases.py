"""A payout is leased by one worker at a time, apart from the moment of its next attempt."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from earnings.models import Payout
from earnings.tasks import query_payouts, send_payouts
from tests.support.outside_system import set_fault
from tests.support.payouts import bills, query_later, set_next_state, states_of

pytestmark = pytest.mark.django_db


def lease(**later: float) -> None:
    """Lease the payout as a worker that was killed, until this time from now."""
    Payout.objects.update(leased_until=timezone.now() + timedelta(**later), next_attempt_at=timezone.now())


def test_a_leased_payout_is_claimed_when_the_lease_has_ended(approved, sandbox):
    set_fault(sandbox, "pay", "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    lease(minutes=10)
    query_later(minutes=9)
    assert states_of(approved) == (1, "sent")
    query_later(minutes=11)
    assert states_of(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


@pytest.mark.parametrize("next_state", ["SUCCESS", "FAIL", "PROCESSING", "WAIT_USER_CONFIRM"])
def test_a_stored_answer_releases_the_lease(approved, sandbox, next_state: str):
    set_next_state(sandbox, next_state)
    send_payouts()
    assert Payout.objects.get().leased_until is None


@pytest.mark.parametrize("fault", ["error", "drop_reply"])
def test_a_missing_answer_releases_the_lease_and_delays_the_next_attempt(approved, sandbox, fault: str):
    set_fault(sandbox, "pay", fault)
    with time_machine.travel(timezone.now(), tick=False):
        send_payouts()
        payout = Payout.objects.get()
        assert (payout.leased_until, payout.next_attempt_at) == (None, timezone.now() + timedelta(minutes=1))
        assert query_payouts() == 0


def test_the_database_leases_only_sent_payouts_that_are_open(approved, sandbox):
    with pytest.raises(IntegrityError, match="leased_payout_was_sent_and_is_open"), transaction.atomic():
        lease(minutes=1)
    send_payouts()
    with pytest.raises(IntegrityError, match="leased_payout_was_sent_and_is_open"), transaction.atomic():
        lease(minutes=1)
