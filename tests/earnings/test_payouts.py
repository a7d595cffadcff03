"""Paying through WeChat Pay: once under one number, whatever fails in between."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from earnings import ledger, withdrawals
from earnings.models import Payout, Withdrawal
from earnings.tasks import query_payouts, send_payouts
from robots.models import OutboxMessage
from tests.api import ApiClient
from tests.factories.money import ask, balance, give
from tests.factories.people import FriendshipFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    user = UserFactory(phone="13800138000", open_id="open-alice", code="wx-alice")
    give(user, "100")
    return user


@pytest.fixture
def approved(alice, sandbox) -> Withdrawal:
    withdrawal = ask(alice)
    withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
    return withdrawal


def turns_out(sandbox, state: str) -> None:
    sandbox.state.note("next_bill", next_state=state)


def fault(sandbox, mode: str) -> None:
    sandbox.state.note("fault", system="pay", mode=mode, rate=1.0)


def query_now() -> None:
    Payout.objects.update(due_at=timezone.now(), created_at=timezone.now() - timedelta(minutes=5))
    query_payouts()


def how_it_stands(withdrawal: Withdrawal) -> tuple[int, str]:
    withdrawal.refresh_from_db()
    payout = Payout.objects.get(withdrawal=withdrawal)
    assert ledger.check() == []
    return withdrawal.status, payout.state


def bills(sandbox) -> list[tuple[str, int]]:
    return [(bill["state"], bill["requests"]) for bill in sandbox.state.bills.values()]


def test_an_approved_withdrawal_is_paid(approved, alice, sandbox):
    assert send_payouts() == 1
    assert how_it_stands(approved) == (3, "succeeded")
    assert balance(alice) == ("80.00", "0.00")
    [bill] = sandbox.state.bills.values()
    assert (bill["out_bill_no"], bill["openid"], bill["amount"]) == (approved.pk.hex, "open-alice", 2000)


def test_nothing_is_sent_twice(approved, sandbox):
    assert send_payouts() == 1
    assert send_payouts() == 0
    query_now()
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_a_failed_transfer_gives_the_money_back(approved, alice, sandbox):
    turns_out(sandbox, "FAIL")
    send_payouts()
    assert how_it_stands(approved) == (4, "failed")
    assert balance(alice) == ("100.00", "0.00")
    assert "ACCOUNT_FROZEN" in approved.reason


def test_a_lost_reply_is_asked_about_and_never_paid_again(approved, sandbox):
    fault(sandbox, "drop_reply")
    send_payouts()
    assert how_it_stands(approved) == (1, "sent")
    sandbox.state.faults.clear()
    query_now()
    assert how_it_stands(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_a_call_that_never_arrived_is_made_again_under_the_same_number(approved, sandbox):
    fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    query_now()
    assert how_it_stands(approved) == (3, "succeeded")
    assert list(sandbox.state.bills) == [approved.pk.hex]


def test_wechat_pay_being_away_changes_nothing(approved, alice, settings):
    settings.WECHAT_PAY_BASE_URL = "http://127.0.0.1:1"
    send_payouts()
    query_now()
    assert how_it_stands(approved) == (1, "sent")
    assert balance(alice) == ("80.00", "20.00")


def test_an_unfinished_transfer_is_asked_about_until_it_ends(approved, sandbox):
    turns_out(sandbox, "PROCESSING")
    send_payouts()
    query_now()
    assert how_it_stands(approved) == (1, "sent")
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    query_now()
    assert how_it_stands(approved) == (3, "succeeded")


def test_a_new_word_of_wechat_pay_is_no_end(approved, sandbox):
    turns_out(sandbox, "SOMETHING_NEW")
    send_payouts()
    assert how_it_stands(approved) == (1, "sent")


def test_a_merchant_without_funds_waits(approved, alice, sandbox):
    turns_out(sandbox, "NOT_ENOUGH")
    send_payouts()
    assert how_it_stands(approved)[0] == 1
    turns_out(sandbox, "SUCCESS")
    query_now()
    assert how_it_stands(approved) == (3, "succeeded")


def test_waiting_for_the_user_shows_the_confirmation_and_reminds_once(approved, alice, sandbox):
    FriendshipFactory(user=alice)
    turns_out(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    query_now()
    assert how_it_stands(approved) == (1, "waiting_user")
    confirm = ApiClient(alice).get("/withdraw")["data"]["confirm"]
    assert (confirm["withdraw_id"], confirm["app_id"], confirm["mch_id"]) == (
        str(approved.pk),
        "sandbox",
        "1900000001",
    )
    assert confirm["package_info"].startswith("package-")
    assert OutboxMessage.objects.filter(user_code="wx-alice", cause__startswith="payout").count() == 1


@pytest.mark.parametrize(
    ("end", "stands"), [("SUCCESS", (3, "succeeded")), ("FAIL", (4, "failed")), ("CANCELLED", (4, "failed"))]
)
def test_what_waited_for_the_user_ends(approved, alice, sandbox, end: str, stands: tuple[int, str]):
    turns_out(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state=end)
    query_now()
    assert how_it_stands(approved) == stands
    assert "confirm" not in ApiClient(alice).get("/withdraw")["data"]


def notify(sandbox, withdrawal: Withdrawal, **changed: str) -> int:
    """The sandbox's signed notify, posted by hand; `changed` are headers somebody tampered with."""
    pay = next(player for system, player in sandbox.players if system == "pay")
    raw, headers = pay.notify_of(withdrawal.pk.hex)
    return (
        Client()
        .post("/wechat/pay/notify", data=raw, content_type="application/json", headers={**headers, **changed})
        .status_code
    )


def test_a_notify_ends_what_was_processing(approved, sandbox):
    turns_out(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    assert notify(sandbox, approved) == 200
    assert how_it_stands(approved) == (3, "succeeded")


def test_a_notify_repeated_changes_nothing(approved, alice, sandbox):
    send_payouts()
    assert [notify(sandbox, approved) for _ in range(3)] == [200] * 3
    assert balance(alice) == ("80.00", "0.00")


@pytest.mark.parametrize("header", ["Wechatpay-Signature", "Wechatpay-Timestamp", "Wechatpay-Nonce"])
def test_a_notify_that_somebody_else_wrote_is_refused(approved, sandbox, header: str):
    turns_out(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    assert notify(sandbox, approved, **{header: "1"}) == 401
    assert how_it_stands(approved) == (1, "sent")


def test_blocking_takes_back_what_was_not_sent(approved, alice, sandbox):
    withdrawals.reject_unpaid_of(alice, by="root", reason="封号", at=timezone.now())
    assert how_it_stands(approved) == (2, "withdrawn")
    assert balance(alice) == ("100.00", "0.00")
    assert send_payouts() == 0


def test_blocking_leaves_what_may_be_out_to_its_outcome(approved, alice, sandbox):
    turns_out(sandbox, "PROCESSING")
    send_payouts()
    withdrawals.reject_unpaid_of(alice, by="root", reason="封号", at=timezone.now())
    assert how_it_stands(approved) == (1, "sent")


def test_the_database_lets_no_payout_go_back(approved, sandbox):
    send_payouts()
    with pytest.raises(IntegrityError, match="does not go from"), transaction.atomic():
        Payout.objects.update(state="prepared", ended_at=None)


def test_a_killed_sender_leaves_a_number_that_is_asked_about(approved, sandbox):
    """Killed after marking, before calling: WeChat Pay knows nothing, so the same number is sent."""
    from earnings import payouts  # noqa: PLC0415

    payouts._claim(Payout.State.PREPARED, timezone.now())
    assert send_payouts() == 0
    query_now()
    assert how_it_stands(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]
