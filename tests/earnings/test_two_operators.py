"""Large withdrawals need two different operators; the database enforces it."""

from datetime import timedelta

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from config.models import Scope
from earnings.models import EarningsRules, Payout, Withdrawal, WithdrawalStep
from tests.factories.money import available_and_withdrawing, credit, requested_withdrawal, withdrawal_of_new_user
from tests.factories.people import OperatorFactory, UserFactory
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db


def operator(username: str) -> Client:
    client = Client()
    client.force_login(OperatorFactory(username=username))
    return client


@pytest.fixture
def large() -> Withdrawal:
    return withdrawal_of_new_user("500", phone="13800138000")


def act(client: Client, action: str, *withdrawals: Withdrawal, **form: str) -> str:
    body = {"action": action, "_selected_action": [str(row.pk) for row in withdrawals], "confirmed": "yes", **form}
    return client.post("/admin/earnings/withdrawal/", body, follow=True).text


def test_the_first_approval_creates_no_payout(large):
    assert "已初审，待另一名运营人员通过 1 条" in act(operator("root"), "approve", large)
    large.refresh_from_db()
    assert (large.status, large.first_approved_by, large.waits_for_second) == (0, "root", True)
    assert not Payout.objects.exists()


def test_the_same_operator_is_not_a_second_one(large):
    root = operator("root")
    act(root, "approve", large)
    page = act(root, "approve", large)
    assert "1 条由你初审过，要另一名运营人员通过" in page
    assert "在“收益规则”里设置" in page
    large.refresh_from_db()
    assert (large.status, Payout.objects.count()) == (0, 0)


def test_a_second_operator_approves(large):
    act(operator("root"), "approve", large)
    assert "已通过 1 条" in act(operator("other"), "approve", large)
    large.refresh_from_db()
    assert (large.status, large.first_approved_by, large.reviewed_by) == (1, "root", "other")
    steps = WithdrawalStep.objects.values_list("from_status", "to_status", "taken_by")
    assert list(steps)[1:] == [(0, 0, "root"), (0, 1, "other")]


def test_the_reason_of_the_first_approval_is_in_its_step_only(large):
    act(operator("root"), "approve", large)
    listed = key_with(Scope.BACKOFFICE_READ).post("/admin/withdraw", {"status": 0})["data"]
    assert [row["reason"] for row in listed] == [None]
    assert WithdrawalStep.objects.latest("pk").reason == "初审通过"


def test_either_operator_may_still_reject(large):
    root = operator("root")
    act(root, "approve", large)
    assert "已拒绝 1 条" in act(root, "reject", large, reason="看错了")
    assert available_and_withdrawing(large.user) == ("500.00", "0.00")


def test_a_smaller_withdrawal_needs_one_operator(large):
    user = UserFactory(phone="13800138001")
    credit(user, "200")
    assert "已通过 1 条" in act(operator("root"), "approve", requested_withdrawal(user, "200"))


def person(phone: str = "13800138001") -> User:
    user = UserFactory(phone=phone, identity_sealed=b"x", identity_given_at=timezone.now())
    credit(user, "1000")
    return user


class TestTogether:
    """Withdrawals of one user within 24 hours are summed."""

    def test_five_withdrawals_of_the_limit_need_a_second_operator(self):
        user = person()
        rows = [requested_withdrawal(user, "200", days_ago=days) for days in range(5)]
        page = act(operator("root"), "approve", *rows)
        assert "已初审，待另一名运营人员通过 5 条" in page
        assert not Payout.objects.exists()
        assert "已通过 5 条" in act(operator("other"), "approve", *rows)

    def test_withdrawals_approved_one_after_the_other_are_summed(self):
        user, root = person(), operator("root")
        assert "已通过 1 条" in act(root, "approve", requested_withdrawal(user, "200", days_ago=1))
        assert "已初审" in act(root, "approve", requested_withdrawal(user, "20"))
        assert Payout.objects.count() == 1

    @pytest.mark.parametrize(("hours", "text"), [(47, "已初审"), (49, "已通过 1 条")])
    def test_older_withdrawals_are_not_summed(self, hours, text):
        user, root = person(), operator("root")
        act(root, "approve", requested_withdrawal(user, "200", days_ago=1))
        with time_machine.travel(timezone.now() + timedelta(hours=hours - 24), tick=True):
            root.force_login(User.objects.get(username="root"))
            assert text in act(root, "approve", requested_withdrawal(user, "20"))

    def test_rejected_withdrawals_are_not_summed(self):
        user, root = person(), operator("root")
        act(root, "reject", requested_withdrawal(user, "200", days_ago=1), reason="资料不符")
        assert "已通过 1 条" in act(root, "approve", requested_withdrawal(user, "200"))

    def test_withdrawals_of_other_users_are_not_summed(self):
        root = operator("root")
        rows = [requested_withdrawal(person(phone), "200") for phone in ("13800138001", "13800138002")]
        assert "已通过 2 条" in act(root, "approve", *rows)

    def test_the_list_and_the_confirmation_page_show_the_total(self):
        user = person()
        rows = [requested_withdrawal(user, "200", days_ago=days) for days in range(2)]
        root = operator("root")
        assert "待审核（24 小时内合计 400.00 元）" in root.get("/admin/earnings/withdrawal/").text
        body = {"action": "approve", "_selected_action": [str(row.pk) for row in rows]}
        page = root.post("/admin/earnings/withdrawal/", body, follow=True).text
        assert "200.00 元 待审核 24 小时内合计 400.00 元 要两人审核" in page

    def test_the_database_refuses_one_approval_of_a_large_total(self):
        user = person()
        first, _second = [requested_withdrawal(user, "200", days_ago=days) for days in range(2)]
        with pytest.raises(IntegrityError, match="approved by two operators"), transaction.atomic():
            Withdrawal.objects.filter(pk=first.pk).update(status=1, reviewed_at=timezone.now(), reviewed_by="root")


def test_without_a_limit_one_operator_is_enough(large):
    EarningsRules.objects.update(second_approval_above=None)
    assert "已通过 1 条" in act(operator("root"), "approve", large)


def test_a_mixed_choice_reports_each_result(large):
    user = UserFactory(phone="13800138001")
    credit(user, "20")
    page = act(operator("root"), "approve", large, requested_withdrawal(user, "20"))
    assert "已初审，待另一名运营人员通过 1 条" in page
    assert "已通过 1 条" in page


def test_the_database_refuses_a_large_withdrawal_with_one_approval(large):
    with pytest.raises(IntegrityError, match="approved by two operators"), transaction.atomic():
        Withdrawal.objects.filter(pk=large.pk).update(status=1, reviewed_at=timezone.now(), reviewed_by="root")


def test_the_database_refuses_two_approvals_by_one_person(large):
    act(operator("root"), "approve", large)
    with pytest.raises(IntegrityError, match="two_approvals_are_of_two_people"), transaction.atomic():
        Withdrawal.objects.filter(pk=large.pk).update(status=1, reviewed_at=timezone.now(), reviewed_by="root")


def test_the_database_keeps_the_first_approver(large):
    act(operator("root"), "approve", large)
    with pytest.raises(IntegrityError, match="not changed afterwards"), transaction.atomic():
        Withdrawal.objects.filter(pk=large.pk).update(first_approved_by="mallory")
