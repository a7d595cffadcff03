"""Sweeps of payouts: they stop when WeChat Pay is unavailable, and only one runs at a time."""

import pytest
import time_machine
from django.utils import timezone

from config.platform.sweeps import SingleRun
from earnings.models import Payout
from earnings.tasks import STEP_LEASE, send_payouts
from tests.support.outside_system import set_fault
from tests.support.payouts import payout_states, query_later, set_next_state

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_after_an_outage_no_other_payout_is_sent(three, sandbox, mode: str):
    set_fault(sandbox, "pay", mode)
    assert send_payouts() == 0
    assert payout_states() == ["prepared", "prepared", "sent"]


def test_after_an_outage_no_other_payout_is_queried(three, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    set_fault(sandbox, "pay")
    query_later()
    assert Payout.objects.filter(note__contains="HTTP 500").count() == 1


def test_an_error_of_one_payout_does_not_stop_the_others(three, sandbox):
    sandbox.state.note("refusal", code="SOMETHING_NEW")
    assert send_payouts() == 3
    assert payout_states() == ["sent", "succeeded", "succeeded"]


def test_a_rate_limit_stops_the_sweep(three, sandbox):
    sandbox.state.note("refusal", code="FREQUENCY_LIMITED")
    send_payouts()
    assert payout_states() == ["prepared", "prepared", "sent"]


def test_only_one_process_runs_a_sweep_at_a_time(three, sandbox):
    other = SingleRun("send_payouts", STEP_LEASE)
    assert other.may_continue(timezone.now())
    assert send_payouts() == 0
    other.end()
    assert send_payouts() == 3


def test_the_sweep_of_a_killed_process_is_run_by_another_when_its_lease_has_ended(three, sandbox):
    SingleRun("send_payouts", STEP_LEASE).may_continue(timezone.now())
    assert send_payouts() == 0
    with time_machine.travel(timezone.now() + STEP_LEASE, tick=True):
        assert send_payouts() == 3


def test_a_sweep_that_lost_its_lease_stops_and_leaves_the_lease_of_the_other(three, sandbox):
    now = timezone.now()
    slow, other = (SingleRun("send_payouts", STEP_LEASE) for _ in range(2))
    slow.may_continue(now - STEP_LEASE)
    assert other.may_continue(now)
    assert not slow.may_continue(now)
    slow.end()
    assert send_payouts() == 0
