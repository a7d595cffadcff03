"""Payouts that people have to look at: WeChat Pay tells no more, tells of another amount, or of another end."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from earnings.models import Payout, Withdrawal, WithdrawalStep
from earnings.payouts import pauses
from earnings.payouts import state as told
from earnings.tasks import send_payouts
from tests.factories.money import balance
from tests.support.admin_pages import Operator
from tests.support.payouts import bills, notify, query_later, set_fault, set_next_state, states_of

pytestmark = pytest.mark.django_db


def test_a_number_that_wechat_pay_no_longer_tells_about_is_left_to_people(approved, sandbox):
    set_fault(sandbox, "error")
    send_payouts()
    sandbox.state.faults.clear()
    query_later(days=30)
    assert states_of(approved) == (1, "sent")
    assert (bills(sandbox), Payout.objects.needing_an_operator().count()) == ([], 1)
    query_later(days=31)
    assert bills(sandbox) == []


def test_the_days_to_ask_begin_with_the_last_call(approved, sandbox):
    set_next_state(sandbox, "NOT_ENOUGH")
    send_payouts()
    query_later(days=20)
    set_next_state(sandbox, "SUCCESS")
    query_later(days=35)
    assert states_of(approved) == (3, "succeeded")


@pytest.fixture
def finance() -> Operator:
    return Operator("finance", username="fiona")


def left_to_people(sandbox) -> None:
    set_fault(sandbox, "error")
    send_payouts()
    query_later(days=30)


@pytest.mark.parametrize(("paid", "stands"), [("1", (3, "succeeded")), ("0", (4, "failed"))])
def test_an_operator_decides_what_is_too_old(approved, sandbox, finance, paid: str, stands: tuple[int, str]):
    left_to_people(sandbox)
    assert "已确认 1 条" in finance.act(
        "earnings/payout", "decide", Payout.objects.get(), paid=paid, reason="平台已核对"
    )
    assert states_of(approved) == stands
    step = WithdrawalStep.objects.last()
    assert (step.taken_by, Payout.objects.get().ended_by) == ("fiona", "fiona")


def test_who_decides_is_asked_with_the_amount_and_the_masked_person(approved, alice, sandbox, finance):
    left_to_people(sandbox)
    page = finance.act("earnings/payout", "decide", Payout.objects.get(), confirmed=False)
    assert f"20.00 元 · {alice.nickname} 138****8000 · {approved.pk.hex}" in page


def test_what_is_not_for_operators_is_not_decided_on_the_page(approved, sandbox, finance):
    page = finance.act("earnings/payout", "decide", Payout.objects.get(), paid="1", reason="不想等")
    assert "1 条没有变化:不需要人工确认" in page
    assert states_of(approved) == (1, "prepared")


def test_finance_pauses_payouts_and_resumes_them(approved, sandbox, finance):
    finance.presses("earnings/payout", "pause", confirmed="yes", reason="对账")
    assert (send_payouts(), pauses.open_pause().paused_by) == (0, "fiona")
    finance.presses("earnings/payout", "resume", confirmed="yes")
    assert send_payouts() == 1
    assert states_of(approved) == (3, "succeeded")


def test_an_operator_decides_nothing_that_can_be_asked_about(approved, sandbox):
    set_fault(sandbox, "drop_reply")
    send_payouts()
    with pytest.raises(told.NotForOperators):
        told.decide(approved.pk, paid=False, by="root", reason="不想等", at=timezone.now())


def test_a_bill_of_another_amount_is_left_to_people(approved, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS", amount=2001)
    query_later()
    assert states_of(approved) == (1, "sent")
    assert Payout.objects.needing_an_operator().count() == 1


def bill_of(sandbox, withdrawal: Withdrawal, **facts: Any) -> None:
    """One at WeChat Pay of which our books know nothing: they were restored from a backup."""
    known = {"openid": "open-alice", "amount": 2000, "transfer_bill_no": "1"}
    sandbox.state.note("bill", out_bill_no=withdrawal.pk.hex, **{**known, **facts})


@pytest.mark.parametrize(
    ("state", "stands"), [("SUCCESS", (3, "succeeded")), ("FAIL", (4, "failed")), ("PROCESSING", (1, "sent"))]
)
def test_a_bill_of_what_we_did_not_send_yet_is_believed(approved, sandbox, state: str, stands: tuple[int, str]):
    bill_of(sandbox, approved, state=state)
    assert notify(sandbox, approved) == 200
    assert states_of(approved) == stands


def test_a_bill_of_another_amount_that_we_did_not_send_can_be_decided(approved, sandbox, finance):
    bill_of(sandbox, approved, state="SUCCESS", amount=2001)
    notify(sandbox, approved)
    assert states_of(approved) == (1, "sent")
    finance.act("earnings/payout", "decide", Payout.objects.get(), paid="1", reason="平台已核对")
    assert states_of(approved) == (3, "succeeded")


def test_the_database_leaves_nothing_to_operators_that_may_still_be_taken_back(approved):
    with pytest.raises(IntegrityError, match="payout_left_to_operators_was_sent"), transaction.atomic():
        Payout.objects.update(needs_operator_at=timezone.now())


def test_what_wechat_pay_knew_and_no_longer_knows_is_left_to_people(approved, alice, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    sandbox.state.bills.clear()
    query_later()
    assert (states_of(approved), Payout.objects.needing_an_operator().count()) == ((1, "sent"), 1)
    assert (balance(alice), bills(sandbox)) == (("80.00", "20.00"), [])


@pytest.fixture
def contradicted(approved, sandbox) -> Withdrawal:
    """Its money was given back; then WeChat Pay says that it was paid."""
    set_next_state(sandbox, "FAIL")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=approved.pk.hex, state="SUCCESS")
    assert [notify(sandbox, approved) for _ in range(2)] == [200, 200]
    return approved


def test_another_end_at_wechat_pay_changes_nothing_and_is_told_once(contradicted, alice, caplog):
    assert [record.levelname for record in caplog.get_records("setup")].count("CRITICAL") == 1
    assert (states_of(contradicted), balance(alice)) == ((4, "failed"), ("100.00", "0.00"))
    assert "微信支付说 SUCCESS" in Payout.objects.contradicted().get().note


def test_another_end_at_wechat_pay_stands_on_the_first_page_until_it_is_dealt_with(contradicted, finance):
    assert "<strong>1</strong><span>打款与微信结果不符</span>" in finance.page("")
    payout = Payout.objects.get()
    assert "已确认 1 条" in finance.act("earnings/payout", "close_contradiction", payout, reason="已向用户追回")
    payout.refresh_from_db()
    assert (payout.reviewed_by, payout.note, payout.state) == ("fiona", "已向用户追回", "failed")
    assert not Payout.objects.contradicted().exists()


def test_what_is_not_contradicted_is_not_closed(approved, sandbox, finance):
    send_payouts()
    page = finance.act("earnings/payout", "close_contradiction", Payout.objects.get(), reason="没事")
    assert "与微信结果没有不符" in page


def test_the_database_wants_a_reviewer_of_what_was_contradicted_only(approved, sandbox):
    send_payouts()
    with pytest.raises(IntegrityError, match="reviewed_payout_was_contradicted"), transaction.atomic():
        Payout.objects.update(reviewed_at=timezone.now(), reviewed_by="root", note="x")


def test_an_outcome_that_stays_unknown_stands_on_the_first_page(approved, sandbox, finance):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    for hours in (1, 2, 4, 8, 16):
        query_later(hours=hours)
    assert "<strong>1</strong><span>打款结果久未查明</span>" in finance.page("")
    assert "1 打款" in finance.page("earnings/payout/", attention="unknown")
