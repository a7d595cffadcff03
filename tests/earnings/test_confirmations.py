"""Transfers that the receiver has to confirm: parameters for the client, reminder, cancellation in time."""

import pytest
from django.utils import timezone

from accounts.models import User
from earnings.payouts import pauses
from earnings.tasks import send_payouts
from robots.models import OutboxMessage, SourceType
from tests.factories.money import available_and_withdrawing
from tests.factories.people import FriendshipFactory
from tests.support.client import ApiClient
from tests.support.outside_system import set_fault
from tests.support.payouts import bills, query_later, set_next_state, states_of

pytestmark = pytest.mark.django_db


def test_a_waiting_transfer_shows_the_confirmation_and_sends_one_reminder(approved, alice, sandbox):
    FriendshipFactory(user=alice)
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    query_later()
    assert states_of(approved) == (1, "waiting_user")
    confirm = ApiClient(alice).get("/withdraw")["data"]["confirm"]
    assert (confirm["withdraw_id"], confirm["app_id"], confirm["mch_id"]) == (
        str(approved.pk),
        "sandbox",
        "1900000001",
    )
    assert confirm["package_info"].startswith("package-")
    assert OutboxMessage.objects.filter(user_code="wx-alice", source_type=SourceType.PAYOUT).count() == 1


@pytest.mark.parametrize(
    ("end", "result"), [("SUCCESS", (3, "succeeded")), ("FAIL", (4, "failed")), ("CANCELLED", (4, "failed"))]
)
def test_a_waiting_transfer_ends_by_wechat_pays_report(approved, alice, sandbox, end: str, result: tuple[int, str]):
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state=end)
    query_later()
    assert states_of(approved) == result
    assert "confirm" not in ApiClient(alice).get("/withdraw")["data"]


def test_an_unconfirmed_bill_is_cancelled_and_the_money_returned(approved, alice, sandbox):
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    query_later(hours=24)
    assert states_of(approved) == (1, "waiting_user")
    query_later(hours=26)
    assert states_of(approved) == (4, "failed")
    assert available_and_withdrawing(alice) == ("100.00", "0.00")
    assert bills(sandbox) == [("CANCELLED", 1)]


def confirmation(user: User) -> dict[str, str] | None:
    """Return the confirmation parameters in GET /withdraw, or None."""
    return ApiClient(user).get("/withdraw")["data"].get("confirm")


def test_a_package_lost_with_its_answer_is_fetched_by_sending_the_transfer_again(approved, alice, sandbox):
    """The answer to a query contains no package."""
    FriendshipFactory(user=alice)
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    set_fault(sandbox, "pay", "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    query_later()
    assert confirmation(alice)["package_info"].startswith("package-")
    assert bills(sandbox) == [("WAIT_USER_CONFIRM", 2)]
    assert OutboxMessage.objects.filter(source_type=SourceType.PAYOUT).count() == 1


def test_without_a_package_nobody_is_asked_to_confirm(approved, alice, sandbox):
    """During a pause a transfer is not sent again."""
    FriendshipFactory(user=alice)
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    set_fault(sandbox, "pay", "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    pauses.pause_payouts(by="root", reason="对账", at=timezone.now())
    query_later()
    assert (states_of(approved), bills(sandbox)) == ((1, "waiting_user"), [("WAIT_USER_CONFIRM", 1)])
    assert (confirmation(alice), OutboxMessage.objects.filter(source_type=SourceType.PAYOUT).count()) == (None, 0)


def test_a_package_may_be_long(approved, alice, sandbox):
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    set_fault(sandbox, "pay", "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, package_info="p" * 1024)
    query_later()
    assert confirmation(alice)["package_info"] == "p" * 1024


def test_a_user_can_confirm_a_stuck_transfer_again(approved, alice, sandbox):
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="TRANSFERING")
    query_later()
    assert confirmation(alice)["package_info"].startswith("package-")


def test_the_time_to_confirm_starts_with_the_accepted_transfer(approved, sandbox):
    """The merchant account was empty for a weekend, so the transfer was accepted late."""
    set_next_state(sandbox, "NOT_ENOUGH")
    send_payouts()
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    query_later(hours=60)
    query_later(hours=61)
    assert states_of(approved) == (1, "waiting_user")
    query_later(hours=86)
    assert states_of(approved) == (4, "failed")


def test_a_transfer_without_progress_is_sent_again(approved, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    query_later(minutes=10)
    assert bills(sandbox) == [("PROCESSING", 1)]
    query_later(minutes=40)
    query_later(minutes=45)
    assert bills(sandbox) == [("PROCESSING", 2)]


def test_a_refused_cancellation_does_not_end_the_payout(approved, alice, sandbox):
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    sandbox.state.note("refusal", code="NOT_FOUND", of="cancel")
    query_later(hours=26)
    assert states_of(approved) == (1, "waiting_user")
    assert (available_and_withdrawing(alice), bills(sandbox)) == (("80.00", "20.00"), [("WAIT_USER_CONFIRM", 1)])
    query_later(hours=30)
    assert states_of(approved) == (4, "failed")
