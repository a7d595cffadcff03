"""Payouts left to operators: WeChat Pay no longer answers, or reports another amount or another end."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from earnings.models import Payout, Withdrawal, WithdrawalStep
from earnings.payouts import pauses
from earnings.payouts import state as transitions
from earnings.tasks import send_payouts
from tests.factories.money import available_and_withdrawing
from tests.support.admin_pages import Operator
from tests.support.outside_system import set_fault
from tests.support.payouts import bills, notify, query_later, set_next_state, states_of

pytestmark = pytest.mark.django_db


def test_a_payout_is_left_to_operators_after_the_query_period(approved, sandbox):
    set_fault(sandbox, "pay")
    send_payouts()
    sandbox.state.faults.clear()
    query_later(days=30)
    assert states_of(approved) == (1, "sent")
    assert (bills(sandbox), Payout.objects.needing_an_operator().count()) == ([], 1)
    query_later(days=31)
    assert bills(sandbox) == []


def test_the_query_period_starts_with_the_last_call(approved, sandbox):
    set_next_state(sandbox, "NOT_ENOUGH")
    send_payouts()
    query_later(days=20)
    set_next_state(sandbox, "SUCCESS")
    query_later(days=35)
    assert states_of(approved) == (3, "succeeded")


@pytest.fixture
def finance() -> Operator:
    return Operator("finance", username="fiona")


def leave_to_operators(sandbox) -> None:
    set_fault(sandbox, "pay")
    send_payouts()
    query_later(days=30)


@pytest.mark.parametrize(("paid", "result"), [("1", (3, "succeeded")), ("0", (4, "failed"))])
def test_an_operator_decides_an_old_payout(approved, sandbox, finance, paid: str, result: tuple[int, str]):
    leave_to_operators(sandbox)
    assert "已确认 1 条" in finance.act(
        "earnings/payout", "decide", Payout.objects.get(), paid=paid, reason="平台已核对"
    )
    assert states_of(approved) == result
    step = WithdrawalStep.objects.last()
    assert (step.taken_by, Payout.objects.get().finished_by) == ("fiona", "fiona")


def test_the_confirmation_page_shows_the_amount_and_the_masked_user(approved, alice, sandbox, finance):
    leave_to_operators(sandbox)
    page = finance.act("earnings/payout", "decide", Payout.objects.get(), confirmed=False)
    assert f"20.00 元 · {alice.nickname} 138****8000 · {approved.pk.hex}" in page


def test_other_payouts_cannot_be_decided_on_the_page(approved, sandbox, finance):
    page = finance.act("earnings/payout", "decide", Payout.objects.get(), paid="1", reason="不想等")
    assert "1 条没有变化：不需要人工确认" in page
    assert states_of(approved) == (1, "prepared")


def test_finance_pauses_payouts_and_resumes_them(approved, sandbox, finance):
    finance.clicks("earnings/payout", "pause", confirmed="yes", reason="对账")
    assert (send_payouts(), pauses.open_pause().paused_by) == (0, "fiona")
    finance.clicks("earnings/payout", "resume", confirmed="yes")
    assert send_payouts() == 1
    assert states_of(approved) == (3, "succeeded")


def test_a_payout_that_can_be_queried_cannot_be_decided(approved, sandbox):
    set_fault(sandbox, "pay", "drop_reply")
    send_payouts()
    with pytest.raises(transitions.NotForOperators):
        transitions.decide(approved.pk, paid=False, by="root", reason="不想等", at=timezone.now())


def test_a_bill_with_another_amount_is_left_to_operators(approved, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS", amount=2001)
    query_later()
    assert states_of(approved) == (1, "sent")
    assert Payout.objects.needing_an_operator().count() == 1


def bill_of(sandbox, withdrawal: Withdrawal, **fields: Any) -> None:
    """Create a bill at WeChat Pay that our records lack, as after a restored backup."""
    defaults = {"openid": "open-alice", "amount": 2000, "transfer_bill_no": "1"}
    sandbox.state.note("bill", out_bill_no=withdrawal.pk.hex, **{**defaults, **fields})


@pytest.mark.parametrize(
    ("state", "result"), [("SUCCESS", (3, "succeeded")), ("FAIL", (4, "failed")), ("PROCESSING", (1, "sent"))]
)
def test_a_bill_of_an_unsent_payout_is_applied(approved, sandbox, state: str, result: tuple[int, str]):
    bill_of(sandbox, approved, state=state)
    assert notify(sandbox, approved) == 200
    assert states_of(approved) == result


def test_a_bill_with_another_amount_of_an_unsent_payout_can_be_decided(approved, sandbox, finance):
    bill_of(sandbox, approved, state="SUCCESS", amount=2001)
    notify(sandbox, approved)
    assert states_of(approved) == (1, "sent")
    finance.act("earnings/payout", "decide", Payout.objects.get(), paid="1", reason="平台已核对")
    assert states_of(approved) == (3, "succeeded")


def test_the_database_leaves_only_sent_payouts_to_operators(approved):
    with pytest.raises(IntegrityError, match="payout_left_to_operators_was_sent"), transaction.atomic():
        Payout.objects.update(needs_operator_at=timezone.now())


def test_a_bill_that_disappears_is_left_to_operators(approved, alice, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.bills.clear()
    query_later()
    assert (states_of(approved), Payout.objects.needing_an_operator().count()) == ((1, "sent"), 1)
    assert (available_and_withdrawing(alice), bills(sandbox)) == (("80.00", "20.00"), [])


@pytest.fixture
def contradicted(approved, sandbox) -> Withdrawal:
    """A withdrawal whose money was returned before WeChat Pay reported it as paid."""
    set_next_state(sandbox, "FAIL")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    assert [notify(sandbox, approved) for _ in range(2)] == [200, 200]
    return approved


def test_a_contradiction_changes_nothing_and_is_logged_once(contradicted, alice, caplog):
    assert [record.levelname for record in caplog.get_records("setup")].count("CRITICAL") == 1
    assert (states_of(contradicted), available_and_withdrawing(alice)) == ((4, "failed"), ("100.00", "0.00"))
    assert "微信支付说 SUCCESS" in Payout.objects.contradicted().get().note


def test_a_contradiction_is_on_the_home_page_until_an_operator_closes_it(contradicted, finance):
    assert "<strong>1</strong><span>打款与微信结果不符</span>" in finance.page("")
    payout = Payout.objects.get()
    assert "已确认 1 条" in finance.act("earnings/payout", "close_contradiction", payout, reason="已向用户追回")
    payout.refresh_from_db()
    assert (payout.reviewed_by, payout.note, payout.state) == ("fiona", "已向用户追回", "failed")
    assert not Payout.objects.contradicted().exists()


def test_a_payout_without_contradiction_cannot_be_closed(approved, sandbox, finance):
    send_payouts()
    page = finance.act("earnings/payout", "close_contradiction", Payout.objects.get(), reason="没事")
    assert "与微信结果没有不符" in page


def test_the_database_accepts_a_review_of_contradicted_payouts_only(approved, sandbox):
    send_payouts()
    with pytest.raises(IntegrityError, match="reviewed_payout_was_contradicted"), transaction.atomic():
        Payout.objects.update(reviewed_at=timezone.now(), reviewed_by="root", note="x")


def test_an_outcome_that_stays_unknown_is_on_the_home_page(approved, sandbox, finance):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    for hours in (1, 2, 4, 8, 16):
        query_later(hours=hours)
    assert "<strong>1</strong><span>打款结果久未查明</span>" in finance.page("")
    assert "共 1 条" in finance.page("earnings/payout/", attention="unknown")
