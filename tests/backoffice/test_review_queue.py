"""The review queue of withdrawals: its order, its parts, the risks in the list and before an approval."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from accounts.models import User
from earnings import withdrawals
from earnings.admin import risks
from earnings.models import EarningsRules, Withdrawal
from groups.models import CancelReason
from tests.factories.money import credit, requested_withdrawal, withdrawal_of_new_user
from tests.factories.people import GroupFactory, UserFactory
from tests.support.admin_pages import Operator, shown_phones

pytestmark = pytest.mark.django_db
WHERE = "earnings/withdrawal/"


def user(**fields: object) -> User:
    """Return a user of long standing with a group, who has money: nothing about them is a risk."""
    created = user_without_group(**fields)
    GroupFactory(user=created)
    return created


def user_without_group(**fields: object) -> User:
    created: User = UserFactory(phone=f"139{User.objects.count():08}", **fields)
    User.objects.filter(pk=created.pk).update(created_at=timezone.now() - timedelta(days=60))
    credit(created, "500")
    return created


def harmless() -> Withdrawal:
    return requested_withdrawal(user())


def blocked() -> Withdrawal:
    found = harmless()
    User.objects.filter(pk=found.user_id).update(blocked_at=timezone.now(), blocked_by="root", blocked_reason="x")
    return found


def young() -> Withdrawal:
    found = harmless()
    User.objects.filter(pk=found.user_id).update(created_at=found.asked_at - timedelta(days=2))
    return found


def unnamed() -> Withdrawal:
    return requested_withdrawal(user(), "100")


def to_the_account_of_another() -> Withdrawal:
    UserFactory(open_id="open-shared", app_id="sandbox")
    return requested_withdrawal(user(open_id="open-shared", app_id="sandbox"))


def rejected_before() -> Withdrawal:
    owner = user()
    withdrawals.reject(
        [requested_withdrawal(owner, days_ago=2).pk], by="root", at=timezone.now(), reason="资料不符"
    )
    return requested_withdrawal(owner)


def without_group() -> Withdrawal:
    return requested_withdrawal(user_without_group())


def with_cancelled_groups(count: int) -> Withdrawal:
    owner = user()
    for _ in range(count):
        GroupFactory(user=owner, cancelled_at=timezone.now(), cancel_reason=CancelReason.OPERATOR)
    return requested_withdrawal(owner)


def on_one_day_with_fellows(count: int) -> Withdrawal:
    inviter = UserFactory()
    for _ in range(count):
        requested_withdrawal(user(inviter=inviter))
    return requested_withdrawal(user(inviter=inviter))


CASES: dict[str, tuple[Callable[[], Withdrawal], list[str]]] = {
    "harmless": (harmless, []),
    "blocked": (blocked, ["已封号"]),
    "young": (young, ["注册不到 3 天"]),
    "unnamed": (unnamed, ["没有实名"]),
    "receiver": (to_the_account_of_another, ["收款账号与别人相同"]),
    "unpaid": (rejected_before, ["最近被拒绝或打款失败"]),
    "groupless": (without_group, ["没有服务中的群"]),
    "two cancelled": (lambda: with_cancelled_groups(2), []),
    "three cancelled": (lambda: with_cancelled_groups(3), ["最近注销多个群"]),
    "two fellows": (lambda: on_one_day_with_fellows(2), []),
    "three fellows": (lambda: on_one_day_with_fellows(3), ["同门同一天提现"]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_list_the_filter_and_the_page_agree_about_the_risks(root: Operator, name: str):
    make, expected = CASES[name]
    withdrawal = make()
    now = timezone.now()
    [row] = risks.with_risks(Withdrawal.objects.filter(pk=withdrawal.pk), at=now)
    assert [str(each) for each in risks.short_hints(row)] == expected
    assert len(risks.risks_of(Withdrawal.objects.get(pk=withdrawal.pk), at=now)) == len(expected)
    link = f"/admin/{WHERE}{withdrawal.pk}/change/"
    assert (link in root.page(WHERE, review="risky")) == bool(expected)
    assert all(text in root.page(WHERE) for text in expected)


def test_the_filter_looks_for_risks_among_those_who_have_waited_longest(root: Operator, monkeypatch):
    for number, days_ago in ((1, 1), (2, 5), (3, 3)):
        withdrawal_of_new_user(phone=f"1380000000{number}", days_ago=days_ago)
    monkeypatch.setattr("earnings.admin.withdrawals.RISKS_AMONG", 2)
    assert shown_phones(root.page(WHERE, review="risky")) == ["13800000002", "13800000003"]


def test_who_has_waited_longest_is_first_in_the_queue_only(root: Operator):
    for number, days_ago in ((1, 1), (2, 5), (3, 3)):
        withdrawal_of_new_user(phone=f"1380000000{number}", days_ago=days_ago)
    orders = [re.findall(r"1380000000([123])", root.page(WHERE, **query)) for query in ({"status__exact": "0"}, {})]
    assert orders == [["2", "3", "1"], ["1", "3", "2"]]


def test_the_queue_is_divided_by_who_has_to_act():
    first, second = Operator(username="first"), Operator(username="second")
    EarningsRules.objects.update(second_approval_above=Decimal("30"))
    begun = withdrawal_of_new_user("50", phone="13800000001")
    withdrawal_of_new_user("20", phone="13800000002")
    first.act(WHERE, "approve", begun)
    assert shown_phones(first.page(WHERE, review="own")) == ["13800000001"]
    assert shown_phones(first.page(WHERE, review="second")) == []
    assert shown_phones(second.page(WHERE, review="own")) == []
    assert shown_phones(second.page(WHERE, review="second")) == ["13800000001"]
    assert "无效" in second.page(WHERE, review="all")


def test_an_approval_states_risks_and_what_still_needs_a_second_operator(root: Operator):
    EarningsRules.objects.update(second_approval_above=Decimal("100"))
    rows = [withdrawal_of_new_user("20"), withdrawal_of_new_user("200"), harmless()]
    page = root.act(WHERE, "approve", *rows, confirmed=False)
    assert "其中待审核 3 条，共 240.00 元" in page
    assert "有风险提示 2 条" in page
    assert "只会初审、还要第二人通过 1 条，共 200.00 元" in page
    assert "⚠ 注册不到 3 天、没有实名、没有服务中的群" in page


def test_the_list_looks_up_the_risks_of_a_page_at_once(root: Operator, django_assert_max_num_queries):
    for _ in range(12):
        withdrawal_of_new_user()
    root.page(WHERE)
    with django_assert_max_num_queries(9):
        root.page(WHERE)


def test_a_name_from_right_to_left_moves_no_amount(root: Operator):
    row = withdrawal_of_new_user("20", phone="13800000001", nickname="رسالة")
    assert "\u2068رسالة\u2069 138****0001 20.00 元" in root.act(WHERE, "approve", row, confirmed=False)


def test_the_card_counts_those_for_a_second_operator():
    EarningsRules.objects.update(second_approval_above=Decimal("30"))
    Operator(username="first").act(WHERE, "approve", withdrawal_of_new_user("50"))
    assert "共 50.00 元，其中待第二人审核 1 条" in Operator(username="second").page("")
