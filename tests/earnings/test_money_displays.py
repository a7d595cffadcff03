"""Payouts, rules and ledger checks as finance reads them: people, meanings of codes, percentages, thousands."""

import pytest
from django.utils import timezone

from earnings import ledger
from earnings.models import LedgerCheck, Payout, SettlementDay
from tests.support.admin_tables import listed_rows

pytestmark = pytest.mark.django_db


def test_a_payout_names_its_person_and_explains_the_codes(root, approved, alice):
    Payout.objects.update(provider_state="WAIT_USER_CONFIRM", note="微信支付：ACCOUNT_FROZEN")
    [row] = listed_rows(root.page("earnings/payout/"))
    assert (row["person"], row["amount"]) == (f"{alice.nickname} 138****8000", "20.00")
    assert row["bill_state"] == "待用户确认（WAIT_USER_CONFIRM）"
    assert row["shown_note"] == "微信支付：收款账户被冻结（ACCOUNT_FROZEN）"
    page = root.page(f"earnings/payout/{approved.pk}/change/")
    assert approved.out_bill_no in page
    assert "打款 20.00 元（待打款）" in page


def test_shares_are_percentages_and_sums_have_thousands(root):
    SettlementDay.objects.create(
        day="2026-01-01", settled_at=timezone.now(), group_count=12345, owner_total="1234.5"
    )
    [rules] = listed_rows(root.page("earnings/earningsrules/"))
    assert (rules["inviter_share"], rules["grand_inviter_share"]) == ("100 %", "50 %")
    [day] = listed_rows(root.page("earnings/settlementday/"))
    assert (day["group_count"], day["owner_total"]) == ("12,345", "1,234.50")


def test_a_finding_of_the_ledger_check_names_the_account(root, alice):
    account = ledger.account_of(alice)
    check = LedgerCheck.objects.create(
        checked_at=timezone.now(), findings=[f"余额为负：{account.pk}", "流水不平：x:1"]
    )
    page = root.page(f"earnings/ledgercheck/{check.pk}/change/")
    assert f'余额为负：<a href="/admin/earnings/account/{account.pk}/change/">{alice.nickname} 的账户</a>' in page
    assert "流水不平" in page
