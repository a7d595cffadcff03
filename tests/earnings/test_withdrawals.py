"""Withdrawals: every refusal of a request, in its order, and the effect of each decision on the ledger."""

from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import User
from earnings import ledger
from earnings.models import LedgerTransaction, Withdrawal, WithdrawalStep
from tests.factories.money import available_and_withdrawing, credit, requested_withdrawal
from tests.factories.people import OperatorFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db
Status = Withdrawal.Status


@pytest.fixture
def alice() -> User:
    """A user with a phone and 2,000 yuan."""
    user = UserFactory(phone="13800138000", nickname="alice")
    credit(user, "2000")
    return user


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(OperatorFactory(username="root"))
    return client


def request(user: User, amount: object = "20") -> int:
    return ApiClient(user).post("/withdraw", {"balance": amount})["code"]


def act(operator: Client, action: str, *withdrawals: Withdrawal, **form: str) -> str:
    body = {"action": action, "_selected_action": [str(row.pk) for row in withdrawals], "confirmed": "yes", **form}
    return operator.post("/admin/earnings/withdrawal/", body, follow=True).text


def test_a_request_transfers_the_amount_to_withdrawing(alice):
    assert request(alice) == 1200
    assert available_and_withdrawing(alice) == ("1980.00", "20.00")
    withdrawal = Withdrawal.objects.get()
    assert (withdrawal.status, withdrawal.amount) == (Status.TO_REVIEW, Decimal(20))


@pytest.mark.parametrize("amount", ["1", "20", "50", "100", "200", "500", 20, "20.00"])
def test_offered_amounts_are_accepted(alice, amount: object):
    assert request(alice, amount) == 1200


@pytest.mark.parametrize(
    "amount", ["0", "-20", "2", "19.99", "20.001", "1000", "", "abc", "1e1", None, True, [], "Infinity"]
)
def test_any_other_amount_is_1403(alice, amount: object):
    assert request(alice, amount) == 1403
    assert not Withdrawal.objects.exists()


@pytest.mark.parametrize(("end", "code"), [("none", 1403), ("approve", 1403), ("reject", 1200)])
def test_one_yuan_is_offered_for_the_first_withdrawal_only(alice, operator, end: str, code: int):
    earlier = requested_withdrawal(alice, "20", days_ago=2)
    if end != "none":
        act(operator, end, earlier, reason="不行")
    assert request(alice, "1") == code


def test_a_blocked_user_is_3004(alice):
    User.objects.filter(pk=alice.pk).update(blocked_at=timezone.now())
    assert request(alice) == 3004


def test_a_request_without_a_phone_is_2001(alice):
    User.objects.filter(pk=alice.pk).update(phone=None)
    assert request(alice) == 2001


def test_more_than_800_in_a_month_without_an_identity_card_is_2002(alice):
    with time_machine.travel(timezone.localtime().replace(day=20, hour=12), tick=False):
        requested_withdrawal(alice, "500", days_ago=3)
        requested_withdrawal(alice, "200", days_ago=2)
        requested_withdrawal(alice, "100", days_ago=1)
        assert request(alice, "20") == 2002
        assert available_and_withdrawing(alice) == ("1200.00", "800.00")


def test_800_in_a_month_are_allowed(alice):
    with time_machine.travel(timezone.localtime().replace(day=20, hour=12), tick=False):
        requested_withdrawal(alice, "500", days_ago=2)
        requested_withdrawal(alice, "200", days_ago=1)
        assert request(alice, "100") == 1200


def test_an_identity_card_removes_the_monthly_limit(alice):
    User.objects.filter(pk=alice.pk).update(identity_sealed=b"x", identity_given_at=timezone.now())
    with time_machine.travel(timezone.localtime().replace(day=20, hour=12), tick=False):
        requested_withdrawal(alice, "500", days_ago=1)
        assert request(alice, "500") == 1200


def test_withdrawals_of_last_month_do_not_count(alice):
    with time_machine.travel(timezone.localtime().replace(day=1, hour=12), tick=False):
        requested_withdrawal(alice, "500", days_ago=1)
        assert request(alice, "500") == 1200


def test_a_balance_too_small_is_3002():
    bob = UserFactory(phone="13800138001")
    credit(bob, "19.99")
    assert request(bob) == 3002


def test_a_second_withdrawal_on_the_same_day_is_3003(alice):
    assert request(alice) == 1200
    assert request(alice) == 3003
    assert available_and_withdrawing(alice) == ("1980.00", "20.00")


def test_the_day_is_a_day_in_shanghai(alice):
    with time_machine.travel(timezone.localtime().replace(hour=23, minute=59), tick=False):
        assert request(alice) == 1200
    with time_machine.travel(timezone.localtime().replace(hour=0, minute=1) + timedelta(days=1), tick=False):
        assert request(alice) == 1200


def test_refusals_come_in_the_documented_order(alice):
    bob = UserFactory(blocked_at=timezone.now())
    assert request(bob, "3") == 1403  # the amount before being blocked
    assert request(bob) == 3004  # being blocked before the phone
    User.objects.filter(pk=bob.pk).update(blocked_at=None)
    assert request(bob) == 2001  # the phone before the balance
    with time_machine.travel(timezone.localtime().replace(day=20, hour=12), tick=False):
        carol = UserFactory(phone="13800138002")
        credit(carol, "801")
        requested_withdrawal(carol, "500", days_ago=2)
        requested_withdrawal(carol, "200", days_ago=1)
        assert request(carol, "200") == 2002  # the card before the balance
        requested_withdrawal(alice, "20")
        credit(carol, "0.01")
        requested_withdrawal(carol, "100")
        assert request(carol, "50") == 2002
    dave = UserFactory(phone="13800138003")
    credit(dave, "20")
    requested_withdrawal(dave, "20")
    assert request(dave, "20") == 3002  # the balance before the day


def test_an_approval_creates_a_payout(alice, operator):
    withdrawal = requested_withdrawal(alice)
    assert "已通过 1 条" in act(operator, "approve", withdrawal)
    withdrawal.refresh_from_db()
    assert (withdrawal.status, withdrawal.reviewed_by) == (Status.PAYING, "root")
    assert withdrawal.payout.state == "prepared"
    assert available_and_withdrawing(alice) == ("1980.00", "20.00")


def test_a_second_approval_changes_nothing_and_shows_the_reason(alice, operator):
    withdrawal = requested_withdrawal(alice)
    act(operator, "approve", withdrawal)
    assert "1 条没有变化：不在待审核状态" in act(operator, "approve", withdrawal)


def test_a_rejection_returns_the_money_and_stores_the_reason(alice, operator):
    withdrawal = requested_withdrawal(alice)
    assert "已拒绝 1 条" in act(operator, "reject", withdrawal, reason="资料不符")
    withdrawal.refresh_from_db()
    assert (withdrawal.status, withdrawal.reason) == (Status.REJECTED, "资料不符")
    assert available_and_withdrawing(alice) == ("2000.00", "0.00")


def test_a_rejection_needs_a_reason(alice, operator):
    withdrawal = requested_withdrawal(alice)
    assert "缺少必填项" in act(operator, "reject", withdrawal, reason="")
    withdrawal.refresh_from_db()
    assert withdrawal.status == Status.TO_REVIEW


def test_an_approval_needs_a_confirmation(alice, operator):
    withdrawal = requested_withdrawal(alice)
    body = {"action": "approve", "_selected_action": [str(withdrawal.pk)]}
    page = operator.post("/admin/earnings/withdrawal/", body, follow=True).text
    assert "共 20.00 元" in page
    withdrawal.refresh_from_db()
    assert withdrawal.status == Status.TO_REVIEW


def test_an_operator_without_the_permission_cannot_approve(alice):
    viewer = OperatorFactory(is_superuser=False)
    from django.contrib.auth.models import Permission  # noqa: PLC0415

    viewer.user_permissions.add(Permission.objects.get(codename="view_withdrawal"))
    client = Client()
    client.force_login(viewer)
    withdrawal = requested_withdrawal(alice)
    act(client, "approve", withdrawal)
    withdrawal.refresh_from_db()
    assert withdrawal.status == Status.TO_REVIEW


def test_many_are_approved_at_once(alice, operator):
    others = [UserFactory(phone=f"1370013700{n}") for n in range(5)]
    for user in others:
        credit(user, "20")
    assert "已通过 5 条" in act(operator, "approve", *[requested_withdrawal(user) for user in others])


def test_every_step_is_recorded(alice, operator):
    withdrawal = requested_withdrawal(alice)
    act(operator, "reject", withdrawal, reason="资料不符")
    steps = WithdrawalStep.objects.values_list("from_status", "to_status", "taken_by", "reason")
    assert list(steps) == [(None, 0, "用户", ""), (0, 2, "root", "资料不符")]


@pytest.mark.parametrize("status", [1, 2, 3, 4])
def test_the_database_refuses_a_new_withdrawal_with_another_status(alice, status: int):
    with pytest.raises(IntegrityError), transaction.atomic():
        Withdrawal.objects.create(
            user=alice, amount=20, status=status, asked_at=timezone.now(), asked_day=timezone.localdate()
        )


def test_the_database_refuses_backward_transitions_of_withdrawals(alice, operator):
    withdrawal = requested_withdrawal(alice)
    act(operator, "reject", withdrawal, reason="x")
    with pytest.raises(IntegrityError, match="does not go from"), transaction.atomic():
        Withdrawal.objects.filter(pk=withdrawal.pk).update(status=0, reviewed_at=None, reviewed_by="", reason="")


def test_the_database_keeps_the_requested_amount(alice):
    withdrawal = requested_withdrawal(alice)
    with pytest.raises(IntegrityError, match="not changed afterwards"), transaction.atomic():
        Withdrawal.objects.filter(pk=withdrawal.pk).update(amount=500)


def test_operators_cannot_reverse_transactions_of_a_withdrawal(alice):
    requested_withdrawal(alice)
    posted = LedgerTransaction.objects.get(kind="withdrawal_asked")
    now = timezone.now()
    with pytest.raises(ledger.NotReversible):
        ledger.reverse(posted, by="root", reason="x", at=now, day=now.date())


def test_the_wallet_shows_the_balances(alice):
    before = ApiClient(alice).get("/withdraw")["data"]
    assert (before["is_withdrawed"], before["balance_amount"], before["withdrawing_amount"]) == (
        False,
        "2000.00",
        "0.00",
    )
    requested_withdrawal(alice)
    after = ApiClient(alice).get("/withdraw")["data"]
    assert (after["is_withdrawed"], after["balance_amount"], after["withdrawing_amount"]) == (
        True,
        "1980.00",
        "20.00",
    )
    assert set(after) == {"is_withdrawed", "id", "user_id", "balance_amount", "withdrawing_amount"}
    assert after["user_id"] == str(alice.pk)


class TestBackOfficeList:
    """POST /admin/withdraw."""

    @pytest.fixture(autouse=True)
    def _rows(self, operator) -> None:
        self.users = [UserFactory(phone=f"1350013500{n}") for n in range(3)]
        for user in self.users:
            credit(user, "600")
        self.rows = [
            requested_withdrawal(user, amount, days_ago=n)
            for n, (user, amount) in enumerate(zip(self.users, ("20", "500", "100"), strict=True))
        ]
        act(operator, "reject", self.rows[2], reason="资料不符")

    def listed(self, **filters) -> list[dict]:
        return key_with("backoffice:read").post("/admin/withdraw", filters)["data"]

    def test_the_list_has_the_documented_fields(self):
        rows = self.listed(status=2)
        assert rows == [
            {
                "id": str(self.rows[2].pk),
                "phone": "13500135002",
                "amount": "100.00",
                "reason": "资料不符",
                "create_date": timezone.localtime(self.rows[2].asked_at).strftime("%Y-%m-%d %H:%M:%S"),
                "paid_date": None,
                "status": 2,
            }
        ]

    def test_newest_come_first(self):
        assert [row["amount"] for row in self.listed()] == ["20.00", "500.00", "100.00"]

    def test_the_list_is_filtered_by_phone(self):
        assert [row["amount"] for row in self.listed(phone="13500135001")] == ["500.00"]

    def test_the_list_is_filtered_by_amount_with_both_ends_included(self):
        assert {row["amount"] for row in self.listed(amount_begin=20, amount_end="100")} == {"20.00", "100.00"}

    def test_a_day_as_an_end_includes_that_day(self):
        yesterday = (timezone.localtime() - timedelta(days=1)).strftime("%Y-%m-%d")
        rows = self.listed(withdraw_date_begin=yesterday, withdraw_date_end=yesterday)
        assert [row["amount"] for row in rows] == ["500.00"]

    def test_the_list_is_filtered_by_payment_day(self):
        assert self.listed(paid_date_begin="2020-01-01") == []

    def test_blank_filters_are_ignored(self):
        assert len(self.listed(phone="", status="", amount_begin=None)) == 3
        assert len(self.listed(phone="  ", status=None, amount_begin="", amount_end=" ")) == 3

    def test_filters_in_the_form_of_the_old_client_are_accepted(self):
        day = timezone.localtime().strftime("%Y-%m-%d")
        asked = {"phone": "13500135000", "amount_begin": "20", "amount_end": "20.00", "status": 0}
        dates = {"withdraw_date_begin": f"{day} 00:00:00", "withdraw_date_end": f"{day} 23:59:59"}
        sort = {"sort": {"sort_key": "create_date", "value": "desc"}}
        assert [row["amount"] for row in self.listed(**asked, **dates, **sort)] == ["20.00"]

    def test_a_page_has_up_to_500_rows(self):
        path = "/admin/withdraw?current_page=0&page_size=500"
        answer = key_with("backoffice:read").post(path, {"status": None})
        assert (len(answer["data"]), answer["page_info"]["page_size"]) == (3, 500)
        assert key_with("backoffice:read").post(path.replace("500", "501"), {})["code"] == 1403

    @pytest.mark.parametrize(
        ("value", "amounts"), [("asc", ["20.00", "100.00", "500.00"]), ("desc", ["500.00", "100.00", "20.00"])]
    )
    def test_the_list_is_sorted_by_amount(self, value: str, amounts: list[str]):
        assert [row["amount"] for row in self.listed(sort={"sort_key": "amount", "value": value})] == amounts

    def test_the_list_is_sorted_by_day(self):
        rows = self.listed(sort={"sort_key": "create_date", "value": "asc"})
        assert [row["amount"] for row in rows] == ["100.00", "500.00", "20.00"]

    def test_the_list_needs_a_fixed_number_of_queries(self, django_assert_num_queries):
        client = key_with("backoffice:read")
        client.post("/admin/withdraw", {})
        with django_assert_num_queries(3):  # key, count, page
            client.post("/admin/withdraw", {})
