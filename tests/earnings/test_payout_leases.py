"""A payout is leased by one worker at a time, apart from the moment of its next attempt."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from earnings.models import Payout
from earnings.payouts import pauses, worker
from earnings.tasks import query_payouts, send_payouts
from integrations.http import OutcomeUnknown
from tests.support.outside_system import set_fault
from tests.support.payouts import bills, block, query_later, set_next_state, states_of

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


class LateClient:
    """A client whose query fails so late that another worker has leased the payout."""

    def query(self, out_bill_no: str) -> None:
        lease(minutes=10)
        raise OutcomeUnknown("pay", "ReadTimeout")


def test_a_worker_that_lost_its_lease_postpones_nothing(approved, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    at = timezone.now() + timedelta(minutes=2)
    with pytest.raises(OutcomeUnknown):
        worker.query_next(at=at, client=LateClient())
    payout = Payout.objects.get()
    assert (payout.note, payout.leased_until > at) == ("", True)


def test_the_end_of_a_pause_breaks_no_lease(approved, sandbox):
    set_fault(sandbox, "pay")
    send_payouts()
    sandbox.state.faults.clear()
    pauses.pause_payouts(by="root", reason="对账中", at=timezone.now())
    lease(minutes=10)
    pauses.resume_payouts(by="root", at=timezone.now())
    assert query_payouts() == 0


def test_a_block_breaks_no_lease(approved, alice, sandbox):
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    lease(minutes=10)
    block(alice)
    assert query_payouts() == 0


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
