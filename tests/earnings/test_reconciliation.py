"""Reconciliation of a day's payouts with WeChat Pay: every difference is found, and nothing is changed."""

from datetime import date, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.platform.dates import start_of
from earnings import withdrawals
from earnings.models import Payout, Withdrawal
from earnings.payouts import state as transitions
from earnings.tasks import query_payouts, send_payouts
from integrations.wechat.fund_flow import read_fund_flow
from integrations.wechat.pay import FUND_FLOW, BadSignature, WeChatPay
from tests.factories.money import withdrawal_of_new_user

pytestmark = pytest.mark.django_db


def approve(yuan: str = "20") -> Withdrawal:
    withdrawal = withdrawal_of_new_user(yuan)
    withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
    return withdrawal


@pytest.fixture
def paid(sandbox) -> Withdrawal:
    withdrawal = approve()
    send_payouts()
    return withdrawal


def reconcile(day: date | None = None) -> str:
    """Run the command for today or that day. Returns its output, with its exit status when that is not 0."""
    output = StringIO()
    try:
        call_command("reconcile_payouts", f"--date={day or timezone.localdate()}", stdout=output, stderr=StringIO())
    except CommandError as error:
        return f"{output.getvalue()}{error} [{error.returncode}]"
    return output.getvalue()


def test_equal_records_show_no_difference(paid, sandbox):
    sandbox.state.note("next_bill", next_state="FAIL")
    approve("50")
    send_payouts()
    assert "2 payouts, 1 lines of WeChat Pay's bill, no difference." in reconcile()


def test_a_day_without_payouts_shows_no_difference(sandbox):
    assert "0 payouts, 0 lines of WeChat Pay's bill, no difference." in reconcile()


def test_a_bill_without_payout_is_found(paid, sandbox):
    foreign = {"openid": "open-x", "amount": 777, "transfer_bill_no": "1", "state": "SUCCESS"}
    sandbox.state.note("bill", out_bill_no="f" * 32, **foreign)
    assert f"{'f' * 32}: 微信支付有这笔转账（777 分），我们没有" in reconcile()
    assert "1 differences. [1]" in reconcile()


def test_a_payout_without_bill_is_found(paid, sandbox):
    sandbox.state.bills.clear()
    assert "状态不同：微信支付 没有这笔转账，我们“成功”" in reconcile()


def test_a_different_amount_is_found(paid, sandbox):
    sandbox.state.note("bill", out_bill_no=paid.pk.hex, amount=2001)
    assert "金额不同：微信支付 2001 分，我们 2000 分" in reconcile()


@pytest.mark.parametrize("state", ["FAIL", "PROCESSING", "WAIT_USER_CONFIRM"])
def test_a_different_state_is_found(paid, sandbox, state: str):
    sandbox.state.note("bill", out_bill_no=paid.pk.hex, state=state)
    assert f"状态不同：微信支付 {state}，我们“成功”" in reconcile()


def test_a_failed_payout_that_wechat_pay_paid_is_found(sandbox):
    withdrawal = approve()
    sandbox.state.note("next_bill", next_state="FAIL")
    send_payouts()
    sandbox.state.note("bill", out_bill_no=withdrawal.pk.hex, state="SUCCESS")
    assert "微信支付已付出 2000 分，我们是“失败”" in reconcile()


def test_an_open_payout_that_ended_at_wechat_pay_is_found(sandbox):
    withdrawal = approve()
    sandbox.state.note("next_bill", next_state="PROCESSING")
    send_payouts()
    assert "no difference" in reconcile()
    sandbox.state.note("bill", out_bill_no=withdrawal.pk.hex, state="SUCCESS")
    assert "状态不同：微信支付 SUCCESS，我们“结果待查”" in reconcile()


def test_an_old_day_is_compared_by_the_fund_flow_only(paid, sandbox):
    with time_machine.travel(timezone.now() + timedelta(days=40)):
        day = timezone.localdate() - timedelta(days=40)
        sandbox.state.note("bill", out_bill_no=paid.pk.hex, state="PROCESSING")
        call_command("reconcile_payouts", f"--date={day}", stdout=StringIO(), stderr=StringIO())
        sandbox.state.bills.clear()
        with pytest.raises(CommandError, match="1 differences"):
            call_command("reconcile_payouts", f"--date={day}", stdout=StringIO(), stderr=StringIO())


def weeks_later(day: date) -> str:
    """Return the command's output about that day, 40 days later."""
    with time_machine.travel(start_of(day) + timedelta(days=40), tick=True):
        return reconcile(day)


def at_night(minutes: int) -> time_machine.travel:
    """Return a time travel to this number of minutes after last midnight."""
    return time_machine.travel(start_of(timezone.localdate()) + timedelta(minutes=minutes), tick=True)


def test_a_payout_confirmed_after_midnight_is_in_the_fund_flow_of_the_later_day(sandbox):
    with at_night(-10):
        sandbox.state.note("next_bill", next_state="WAIT_USER_CONFIRM")
        withdrawal = approve()
        send_payouts()
    with at_night(10):
        sandbox.state.note("bill", out_bill_no=withdrawal.pk.hex, state="SUCCESS")
        query_payouts()
    today = timezone.localdate()
    assert "1 payouts, 0 lines of WeChat Pay's bill, no difference" in weeks_later(today - timedelta(days=1))
    assert "1 payouts, 1 lines of WeChat Pay's bill, no difference" in weeks_later(today)


def test_a_payout_reported_after_midnight_is_in_the_fund_flow_of_the_earlier_day(sandbox):
    with at_night(-10):
        sandbox.state.note("next_bill", next_state="PROCESSING")
        withdrawal = approve()
        send_payouts()
        sandbox.state.note("bill", out_bill_no=withdrawal.pk.hex, state="SUCCESS")
    with at_night(10):
        query_payouts()
    assert "1 payouts, 0 lines of WeChat Pay's bill, no difference" in weeks_later(timezone.localdate())


def decide_as_paid() -> date:
    """Decide the open payout as paid, 35 days later. Returns the day of the decision."""
    with time_machine.travel(timezone.now() + timedelta(days=35), tick=True):
        query_payouts()
        key = Payout.objects.get(finished_at=None).pk
        transitions.decide(key, paid=True, by="root", reason="平台已核对", at=timezone.now())
        return timezone.localdate()


def test_a_payout_decided_as_paid_is_in_the_fund_flow_of_the_day_of_the_call(sandbox):
    sandbox.state.note("next_bill", next_state="PROCESSING")
    withdrawal = approve()
    send_payouts()
    sandbox.state.note("bill", out_bill_no=withdrawal.pk.hex, state="SUCCESS")
    day = decide_as_paid()
    assert "no difference" in weeks_later(day)


def test_a_payout_decided_as_paid_without_fund_flow_is_found(sandbox):
    sandbox.state.note("next_bill", next_state="PROCESSING")
    approve()
    send_payouts()
    day = decide_as_paid()
    assert "我们记为成功，微信支付账单里没有" in weeks_later(day)


def test_an_outage_of_wechat_pay_is_not_reported_as_a_difference(paid, settings):
    settings.WECHAT_PAY_BASE_URL = "http://127.0.0.1:1"
    assert "could not be asked" in reconcile()
    assert "[2]" in reconcile()


def test_a_manipulated_file_is_refused(paid, sandbox):
    """A bill is added after the hash was signed."""
    pay = WeChatPay.from_settings()
    answer = pay._call("GET", f"{FUND_FLOW}?bill_date={timezone.localdate()}&account_type=OPERATION")
    sandbox.state.note("bill", out_bill_no="e" * 32, amount=1, transfer_bill_no="1", state="SUCCESS")
    with pytest.raises(BadSignature):
        pay._file(answer["download_url"], answer["hash_value"])


def test_reconciling_changes_nothing(paid, sandbox):
    before = list(Payout.objects.values())
    sandbox.state.note("bill", out_bill_no=paid.pk.hex, state="FAIL")
    reconcile()
    assert list(Payout.objects.values()) == before


def test_a_fund_flow_file_in_wechat_pays_format_is_read():
    """The file has two transfers, one of them returned, a fee without transfer, and the summary."""
    lines = [
        "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号",
        "`2026-11-23 10:00:00,`1,`2,`商家转账,`转账,`支出,`20.00,`80.00,`system,`,`" + "a" * 32,
        "`2026-11-23 10:01:00,`1,`3,`商家转账,`转账,`支出,`0.29,`79.71,`system,`,`" + "b" * 32,
        "`2026-11-23 11:00:00,`1,`4,`商家转账,`转账退回,`收入,`0.29,`80.00,`system,`,`" + "b" * 32,
        "`2026-11-23 12:00:00,`1,`5,`交易手续费,`扣除交易手续费,`支出,`1.00,`79.00,`system,`,`x",
        "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额",
        "`4,`1,`0.29,`3,`21.29",
    ]
    flows = read_fund_flow(("\ufeff" + "\r\n".join(lines)).encode())
    assert [(flow.out_bill_no[0], flow.outflow_fen) for flow in flows] == [("a", 2000), ("b", 29), ("b", -29)]


def test_the_adapter_asks_for_the_day(paid, sandbox):
    [flow] = WeChatPay.from_settings().fund_flow(timezone.localdate())
    assert (flow.out_bill_no, flow.outflow_fen) == (paid.pk.hex, 2000)
    assert WeChatPay.from_settings().fund_flow(timezone.localdate() - timedelta(days=1)) == []


def test_a_day_with_payments_and_without_bill_is_a_difference(paid, sandbox):
    sandbox.state.note("refusal", code="NO_STATEMENT_EXIST", of="fund_flow")
    assert f"{paid.pk.hex}: 我们这一天记为成功，微信支付没有这一天的账单" in reconcile()


def test_a_day_without_payouts_needs_no_bill(sandbox):
    sandbox.state.note("refusal", code="NO_STATEMENT_EXIST", of="fund_flow")
    assert "0 payouts, 0 lines of WeChat Pay's bill, no difference." in reconcile()


@pytest.mark.parametrize("code", ["NOT_FOUND", "STATEMENT_CREATING", "SYSTEM_ERROR", "PARAM_ERROR"])
def test_an_unavailable_bill_is_not_taken_for_an_empty_bill(sandbox, code: str):
    sandbox.state.note("refusal", code=code, of="fund_flow")
    assert reconcile().endswith("[2]")


def test_an_amount_that_is_no_integer_is_refused(paid, sandbox):
    sandbox.state.note("bill", out_bill_no=paid.pk.hex, amount=2000.0)
    assert "could not be asked: pay: answer with an amount that is no number of fen [2]" in reconcile()
