"""Pauses of payouts, caused by WeChat Pay or by an operator."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from earnings.models import Payout, PayoutPause
from earnings.payouts import pauses
from earnings.tasks import query_payouts, send_payouts
from tests.support.payouts import payout_states, set_next_state

pytestmark = pytest.mark.django_db


def work_later(**later: float) -> None:
    """Run the workers at a later time."""
    with time_machine.travel(timezone.now() + timedelta(**later), tick=True):
        send_payouts()
        query_payouts()


def test_an_empty_merchant_account_pauses_all_payouts(three, sandbox, caplog):
    set_next_state(sandbox, "NOT_ENOUGH")
    send_payouts()
    assert payout_states() == ["prepared", "prepared", "sent"]
    assert sandbox.state.refusals == 1
    assert [r.message for r in caplog.records if r.levelname == "ERROR"] == [
        "Payouts are paused: 商户余额不足，充值后自动继续"
    ]


def test_during_a_pause_one_payout_is_tried_every_ten_minutes(three, sandbox):
    set_next_state(sandbox, "NOT_ENOUGH")
    send_payouts()
    work_later(minutes=5)
    assert sandbox.state.refusals == 1
    work_later(minutes=11)
    assert sandbox.state.refusals == 2
    work_later(minutes=12)
    assert sandbox.state.refusals == 2


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_worker_that_finds_no_free_payout_leaves_the_try_of_a_pause_to_others(approved):
    now = timezone.now()
    pauses.pause_payouts(by=pauses.BY_WECHAT_PAY, reason="商户余额不足", at=now, next_attempt_at=now)
    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        Payout.objects.select_for_update().get()
        threads.submit(send_in_own_connection).result()
    assert payout_states() == ["prepared"]
    send_payouts()
    assert payout_states() == ["succeeded"]


def send_in_own_connection() -> None:
    try:
        send_payouts()
    finally:
        connection.close()


def test_payouts_resume_when_the_merchant_account_has_money_again(three, sandbox):
    set_next_state(sandbox, "NOT_ENOUGH")
    send_payouts()
    set_next_state(sandbox, "SUCCESS")
    work_later(minutes=11)
    work_later(minutes=18)
    assert payout_states() == ["succeeded"] * 3
    assert PayoutPause.objects.get().resumed_by == "微信支付"
    assert [bill["requests"] for bill in sandbox.state.bills.values()] == [1, 1, 1]


def test_an_error_of_the_merchant_fails_no_payout(three, sandbox):
    sandbox.state.note("refusal", code="NO_AUTH")
    send_payouts()
    assert payout_states() == ["prepared", "prepared", "sent"]
    assert pauses.open_pause() is not None


def test_a_signature_that_wechat_pay_rejects_pauses_all_payouts(three, sandbox, settings):
    """WeChat Pay's answer is then unsigned, so the payout itself stays open."""
    settings.WECHAT_PAY_CERT_SERIAL = "0" * 40
    send_payouts()
    assert payout_states() == ["prepared", "prepared", "sent"]
    assert "证书" in PayoutPause.objects.get(resumed_at=None).reason


def test_payouts_resume_when_the_signature_is_accepted_again(three, sandbox):
    sandbox.state.note("refusal", code="SIGN_ERROR")
    send_payouts()
    work_later(minutes=11)
    work_later(minutes=18)
    assert payout_states() == ["succeeded"] * 3
    assert pauses.open_pause() is None


def test_an_accepted_query_ends_a_pause_by_signature(three, sandbox, settings):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    known, settings.WECHAT_PAY_CERT_SERIAL = settings.WECHAT_PAY_CERT_SERIAL, "0" * 40
    work_later(minutes=2)
    assert pauses.open_pause() is not None
    settings.WECHAT_PAY_CERT_SERIAL = known
    work_later(minutes=13)
    assert pauses.open_pause() is None


def test_a_transfer_that_is_still_processing_ends_no_pause(three, sandbox):
    set_next_state(sandbox, "NOT_ENOUGH")
    send_payouts()
    set_next_state(sandbox, "PROCESSING")
    work_later(minutes=11)
    assert (payout_states(), len(sandbox.state.bills)) == (["prepared", "sent", "sent"], 1)
    assert pauses.open_pause() is not None


def test_an_operators_pause_replaces_wechat_pays_pause(three, sandbox):
    set_next_state(sandbox, "NOT_ENOUGH")
    send_payouts()
    pauses.pause_payouts(by="root", reason="对账中", at=timezone.now())
    set_next_state(sandbox, "SUCCESS")
    work_later(hours=5)
    assert payout_states() == ["prepared", "prepared", "sent"]
    assert list(PayoutPause.objects.values_list("paused_by", "resumed_by")) == [("root", ""), ("微信支付", "root")]


def test_an_operator_pauses_and_resumes(three, sandbox):
    pauses.pause_payouts(by="root", reason="对账中", at=timezone.now())
    work_later(hours=5)
    assert payout_states() == ["prepared"] * 3
    pauses.resume_payouts(by="root", at=timezone.now())
    send_payouts()
    assert payout_states() == ["succeeded"] * 3


def test_payouts_sent_before_a_pause_are_still_queried(three, sandbox):
    set_next_state(sandbox, "PROCESSING")
    send_payouts()
    pauses.pause_payouts(by="root", reason="对账中", at=timezone.now())
    for number in sandbox.state.bills:
        sandbox.state.note("bill", out_bill_no=number, state="SUCCESS")
    work_later(minutes=2)
    assert payout_states() == ["succeeded"] * 3
    assert pauses.open_pause() is not None


def test_there_is_one_pause_at_a_time():
    pauses.pause_payouts(by="root", reason="对账中", at=timezone.now())
    with pytest.raises(pauses.AlreadyPaused):
        pauses.pause_payouts(by="other", reason="也对账", at=timezone.now())
    with pytest.raises(IntegrityError, match="one_pause_of_payouts_at_a_time"), transaction.atomic():
        PayoutPause.objects.create(reason="x", paused_at=timezone.now(), paused_by="x")


def test_resuming_without_a_pause_is_refused():
    with pytest.raises(pauses.NotPaused):
        pauses.resume_payouts(by="root", at=timezone.now())
