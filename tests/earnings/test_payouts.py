"""Paying through WeChat Pay: once under one number, whatever fails in between."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from config.models import Scope
from earnings import ledger, payouts, withdrawals
from earnings.models import Payout, Withdrawal, WithdrawalStep
from earnings.tasks import query_payouts, send_payouts
from robots.models import OutboxMessage
from tests.api import ApiClient
from tests.doors import key_with
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


def query_later(**later: float) -> None:
    """The worker asks, six minutes (or so much) later: what was sent by then arrives no more."""
    with time_machine.travel(timezone.now() + timedelta(**(later or {"minutes": 6})), tick=True):
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
    query_later()
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
    query_later()
    assert how_it_stands(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_a_call_that_never_arrived_is_made_again_under_the_same_number(approved, sandbox):
    fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    query_later()
    assert how_it_stands(approved) == (3, "succeeded")
    assert list(sandbox.state.bills) == [approved.pk.hex]


def test_a_call_that_arrives_late_is_not_made_twice(approved, sandbox):
    """WeChat Pay does not know the number yet; the call is still on its way and arrives after we asked."""
    fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    query_later(minutes=2)
    assert (how_it_stands(approved), bills(sandbox)) == ((1, "sent"), [])
    late = {"openid": "open-alice", "amount": 2000, "transfer_bill_no": "1", "state": "SUCCESS", "asked": 1}
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, **late)
    query_later(minutes=10)
    assert how_it_stands(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_a_call_that_is_not_answered_in_time_is_asked_about(approved, sandbox, settings):
    settings.WECHAT_PAY_TIMEOUT = 0.3
    fault(sandbox, "timeout")
    send_payouts()
    assert how_it_stands(approved) == (1, "sent")
    sandbox.state.faults.clear()
    query_later()
    assert how_it_stands(approved) == (3, "succeeded")
    assert bills(sandbox) == [("SUCCESS", 1)]


def test_wechat_pay_being_away_changes_nothing(approved, alice, settings):
    settings.WECHAT_PAY_BASE_URL = "http://127.0.0.1:1"
    send_payouts()
    query_later()
    assert how_it_stands(approved) == (1, "sent")
    assert balance(alice) == ("80.00", "20.00")


def test_an_unfinished_transfer_is_asked_about_until_it_ends(approved, sandbox):
    turns_out(sandbox, "PROCESSING")
    send_payouts()
    query_later()
    assert how_it_stands(approved) == (1, "sent")
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    query_later(minutes=10)
    assert how_it_stands(approved) == (3, "succeeded")


def test_a_new_word_of_wechat_pay_is_no_end(approved, sandbox):
    turns_out(sandbox, "SOMETHING_NEW")
    send_payouts()
    assert how_it_stands(approved) == (1, "sent")


def test_waiting_for_the_user_shows_the_confirmation_and_reminds_once(approved, alice, sandbox):
    FriendshipFactory(user=alice)
    turns_out(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    query_later()
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
    query_later()
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


def test_a_bill_that_is_not_confirmed_in_time_is_cancelled_and_the_money_returns(approved, alice, sandbox):
    turns_out(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    query_later(hours=24)
    assert how_it_stands(approved) == (1, "waiting_user")
    query_later(hours=26)
    assert how_it_stands(approved) == (4, "failed")
    assert balance(alice) == ("100.00", "0.00")
    assert bills(sandbox) == [("CANCELLED", 1)]


def test_a_payout_is_asked_about_seldom_and_seldomer(approved, sandbox):
    turns_out(sandbox, "PROCESSING")
    send_payouts()
    waits = []
    for _ in range(6):
        payout = Payout.objects.get()
        with time_machine.travel(payout.due_at, tick=False):
            query_payouts()
        waits.append(Payout.objects.get().due_at - payout.due_at)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(minutes=2), timedelta(hours=3))


def test_a_number_that_wechat_pay_no_longer_tells_about_is_left_to_people(approved, sandbox):
    fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    query_later(days=30)
    assert how_it_stands(approved) == (1, "sent")
    assert (bills(sandbox), Payout.objects.needing_an_operator().count()) == ([], 1)
    query_later(days=31)
    assert bills(sandbox) == []


@pytest.mark.parametrize(("paid", "stands"), [(True, (3, "succeeded")), (False, (4, "failed"))])
def test_an_operator_decides_what_is_too_old(approved, sandbox, paid: bool, stands: tuple[int, str]):
    fault(sandbox, "error")
    send_payouts()
    query_later(days=30)
    payouts.decide(approved.pk, paid=paid, by="root", reason="商户平台已核对", at=timezone.now())
    assert how_it_stands(approved) == stands
    step = WithdrawalStep.objects.last()
    assert (step.taken_by, Payout.objects.get().ended_by) == ("root", "root")


def test_an_operator_decides_nothing_that_can_be_asked_about(approved, sandbox):
    fault(sandbox, "drop_reply")
    send_payouts()
    with pytest.raises(payouts.NotForOperators):
        payouts.decide(approved.pk, paid=False, by="root", reason="不想等", at=timezone.now())


def test_the_receiver_of_a_number_never_changes(approved, alice, sandbox):
    """Sent, reply lost, the user has another open_id by now: the same number goes to the same receiver."""
    fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    User.objects.filter(pk=alice.pk).update(open_id="open-other")
    query_later()
    assert how_it_stands(approved) == (3, "succeeded")
    assert next(iter(sandbox.state.bills.values()))["openid"] == "open-alice"


def test_the_database_keeps_the_receiver(approved, sandbox):
    send_payouts()
    with pytest.raises(IntegrityError, match="keeps its receiver"), transaction.atomic():
        Payout.objects.update(open_id="open-mallory")


def test_a_user_without_an_open_id_is_not_paid_and_gets_the_money_back(approved, alice, sandbox):
    User.objects.filter(pk=alice.pk).update(open_id="")
    send_payouts()
    assert how_it_stands(approved) == (4, "failed")
    assert (balance(alice), bills(sandbox)) == (("100.00", "0.00"), [])


def test_an_open_id_is_paid_in_the_app_that_it_belongs_to(approved, alice, sandbox, settings):
    settings.WECHAT_APPS = {"sandbox": "s", "second-app": "s"}
    User.objects.filter(pk=alice.pk).update(app_id="second-app")
    turns_out(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    assert next(iter(sandbox.state.bills.values()))["appid"] == "second-app"
    assert ApiClient(alice).get("/withdraw")["data"]["confirm"]["app_id"] == "second-app"


def test_a_refusal_is_not_believed_while_there_is_a_bill(approved, sandbox):
    """Another call of ours had arrived meanwhile: WeChat Pay refuses the number, and has it."""
    fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    number = approved.pk.hex
    late = {"openid": "open-alice", "amount": 2000, "transfer_bill_no": "1", "state": "SUCCESS"}
    sandbox.state.note("refusal", code="INVALID_REQUEST", then={"out_bill_no": number, **late})
    query_later()
    assert how_it_stands(approved) == (3, "succeeded")


def test_a_refusal_without_a_bill_ends_it(approved, alice, sandbox):
    sandbox.state.note("refusal", code="PARAM_ERROR")
    send_payouts()
    assert how_it_stands(approved) == (4, "failed")
    assert (balance(alice), approved.reason) == (("100.00", "0.00"), "微信支付拒绝:PARAM_ERROR")


def test_a_bill_of_another_amount_is_left_to_people(approved, sandbox):
    turns_out(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS", amount=2001)
    query_later()
    assert how_it_stands(approved) == (1, "sent")
    assert Payout.objects.needing_an_operator().count() == 1


def test_notifies_in_the_wrong_order_change_nothing_any_more(approved, sandbox):
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="PROCESSING")
    assert notify(sandbox, approved) == 200
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="FAIL")
    assert notify(sandbox, approved) == 200
    assert how_it_stands(approved) == (3, "succeeded")


def test_a_notify_before_our_own_answer_is_enough(approved, sandbox):
    fault(sandbox, "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    assert notify(sandbox, approved) == 200
    assert how_it_stands(approved) == (3, "succeeded")


def test_a_notify_signed_under_another_key_is_refused(approved, sandbox):
    send_payouts()
    assert notify(sandbox, approved, **{"Wechatpay-Serial": "PUB_KEY_ID_OTHER"}) == 401


def test_a_user_blocked_between_approval_and_sending_is_not_paid(approved, alice, sandbox):
    assert key_with(Scope.USERS_BLOCK).put(f"/users/{alice.pk}/block", {})["code"] == 1200
    assert send_payouts() == 0
    assert how_it_stands(approved) == (2, "withdrawn")
    assert balance(alice) == ("100.00", "0.00")


def block(user: User) -> None:
    assert key_with(Scope.USERS_BLOCK).put(f"/users/{user.pk}/block", {})["code"] == 1200


def test_what_waits_for_a_user_who_is_blocked_is_cancelled_and_refunded(approved, alice, sandbox):
    turns_out(sandbox, "WAIT_USER_CONFIRM")
    send_payouts()
    block(alice)
    assert "confirm" not in ApiClient(alice).get("/withdraw")["data"]
    query_payouts()
    assert how_it_stands(approved) == (4, "failed")
    assert (balance(alice), bills(sandbox)) == (("100.00", "0.00"), [("CANCELLED", 1)])


def test_what_never_arrived_is_not_sent_again_for_a_blocked_user(approved, alice, sandbox):
    fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    block(alice)
    query_payouts()
    assert how_it_stands(approved) == (1, "sent")  # the call may still be on its way
    query_later()
    assert how_it_stands(approved) == (4, "failed")
    assert (balance(alice), bills(sandbox)) == (("100.00", "0.00"), [])


def test_what_was_paid_before_the_block_stays_paid(approved, alice, sandbox):
    fault(sandbox, "drop_reply")
    send_payouts()
    sandbox.state.faults.clear()
    block(alice)
    query_payouts()
    assert how_it_stands(approved) == (3, "succeeded")
    assert balance(alice) == ("80.00", "0.00")
