"""Sweeps of payouts: they stop when WeChat Pay is unavailable, and only one runs at a time."""

import pytest
from django.db import connection

from earnings.models import Payout
from earnings.tasks import send_payouts
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


def test_only_one_sweep_runs_at_a_time(three, sandbox):
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('send_payouts'))")
        assert send_payouts() == 0
        cursor.execute("SELECT pg_advisory_unlock(hashtext('send_payouts'))")
    other.close()
    assert send_payouts() == 3
