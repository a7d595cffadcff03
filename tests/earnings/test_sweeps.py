"""Sweeps of payouts: they end when WeChat Pay is away, and there is one at a time."""

import pytest
from django.db import connection

from earnings.models import Payout
from earnings.tasks import send_payouts
from tests.support.payouts import query_later, set_fault, set_next_state

pytestmark = pytest.mark.django_db


def states() -> list[str]:
    return sorted(Payout.objects.values_list("state", flat=True))


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_what_would_fare_no_better_is_not_sent(three, sandbox, mode: str):
    set_fault(sandbox, mode)
    assert send_payouts() == 0
    assert states() == ["prepared", "prepared", "sent"]


def test_what_would_fare_no_better_is_not_asked_about(three, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    set_fault(sandbox, "error")
    query_later()
    assert Payout.objects.filter(note__contains="HTTP 500").count() == 1


def test_an_error_that_is_about_one_payout_stops_no_other(three, sandbox):
    sandbox.state.note("refusal", code="SOMETHING_NEW")
    assert send_payouts() == 3
    assert states() == ["sent", "succeeded", "succeeded"]


def test_too_many_calls_stop_all(three, sandbox):
    sandbox.state.note("refusal", code="FREQUENCY_LIMITED")
    send_payouts()
    assert states() == ["prepared", "prepared", "sent"]


def test_there_is_one_sweep_at_a_time(three, sandbox):
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext('send_payouts'))")
        assert send_payouts() == 0
        cursor.execute("SELECT pg_advisory_unlock(hashtext('send_payouts'))")
    other.close()
    assert send_payouts() == 3
