"""The pages about money: alarms, the users of withdrawals, and totals."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from earnings.models import EarningsRules, LedgerCheck, Withdrawal
from earnings.tasks import check_ledger
from tests.factories.money import credit, withdrawal_of_new_user
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator

pytestmark = pytest.mark.django_db
ALARM = '<li class="urgent"><a href="/admin/earnings/ledgercheck/">'


def withdrawal_of(phone: str, yuan: str = "20") -> Withdrawal:
    return withdrawal_of_new_user(yuan, phone=phone, nickname=f"user {phone[-2:]}")


def test_findings_of_the_daily_check_are_an_alarm_on_the_dashboard(root):
    LedgerCheck.objects.create(checked_at=timezone.now(), findings=["流水不平：x", "余额为负：y"])
    page = root.page("")
    assert ALARM in page
    assert "<strong>2</strong><span>账务不符</span>" in page


def test_books_in_order_are_no_alarm(root):
    check_ledger()
    assert ALARM not in root.page("")


@pytest.mark.parametrize(("hours", "is_alarm"), [(25, False), (27, True)])
def test_a_check_that_did_not_run_when_it_was_due_is_an_alarm(root, hours: int, is_alarm: bool):
    LedgerCheck.objects.create(checked_at=timezone.now() - timedelta(hours=hours))
    page = root.page("")
    assert (ALARM in page, "账务检查超过 26 小时没有运行" in page) == (is_alarm, is_alarm)


@pytest.mark.parametrize(("hours", "is_alarm"), [(25, False), (27, True)])
def test_a_check_that_never_ran_is_an_alarm_a_day_after_the_first_money(root, hours: int, is_alarm: bool):
    credit(UserFactory(), "1", at=timezone.now() - timedelta(hours=hours))
    assert (ALARM in root.page("")) == is_alarm


def test_a_new_installation_has_nothing_to_check_yet(root):
    page = root.page("")
    assert (ALARM in page, "还没有检查过" in page) == (False, True)


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_the_confirmation_page_shows_the_user_of_the_withdrawal(root, action: str):
    page = root.act("earnings/withdrawal", action, withdrawal_of("13800000001"), confirmed=False)
    assert "user 01 138****0001 20.00 元 待审核" in page
    assert "13800000001" not in page


def test_beyond_the_count_limit_the_total_names_its_withdrawals(root, monkeypatch):
    monkeypatch.setattr("config.backoffice.changelist.COUNT_LIMIT", 1)
    with time_machine.travel(timezone.now() - timedelta(minutes=1), tick=False):
        withdrawal_of("13800000001", "50")
    withdrawal_of("13800000002", "20")
    assert "<strong>1+</strong><span>待审核提现</span><small>最新 1 条共 20.00 元</small>" in root.page("")


def test_the_form_of_the_rules_shows_first_that_days_are_unsettled():
    EarningsRules.objects.update(settle_from=timezone.localdate() - timedelta(days=2))
    rules, root = EarningsRules.objects.get(), Operator()
    yesterday = timezone.localdate() - timedelta(days=1)
    for where in ("earnings/earningsrules/", f"earnings/earningsrules/{rules.pk}/change/"):
        assert f"{yesterday}），结算之前不能修改" in root.page(where)
    EarningsRules.objects.update(settle_from=timezone.localdate())
    assert "结算之前不能修改" not in root.page("earnings/earningsrules/")
