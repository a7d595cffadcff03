"""Settlement of a day: amounts, receivers, and that a day is settled once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts import blocking
from accounts.models import User
from earnings import ledger_check
from earnings.models import Account, EarningsRules, GroupDay, SettlementDay
from earnings.settlement import settle_day
from earnings.tasks import settle
from groups.models import StarPlan
from tests.factories.money import change_plans_in_force, rated_group
from tests.factories.people import GroupFactory, UserFactory, days_ago
from tests.support.client import ApiClient
from tests.support.settlement import income, legacy, settle_yesterday, start_settlement, yesterday

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("star", "profit", "half"),
    [(1, "0.02", "0.01"), (2, "0.05", "0.02"), (3, "0.10", "0.05"), (4, "0.30", "0.15"), (5, "1.00", "0.50")],
)
def test_a_group_pays_its_owner_and_both_inviters(family, star: int, profit: str, half: str):
    owner, inviter, grand_inviter = family
    rated_group(star, user=owner)
    settle_yesterday()
    assert income(owner) == {0: profit}
    assert income(inviter) == {2: profit}
    assert income(grand_inviter) == {2: half}


def test_nobody_above_the_grand_inviter_gets_a_share(family):
    owner, _, grand_inviter = family
    top = UserFactory()
    User.objects.filter(pk=grand_inviter.pk).update(inviter=top)
    rated_group(5, user=owner)
    settle_yesterday()
    assert income(top) == {}


def test_only_the_owner_gets_the_activity_bonus(family):
    owner, inviter, _ = family
    change_plans_in_force(5, activity_bonus="0.25")
    rated_group(5, user=owner)
    settle_yesterday()
    assert income(owner) == {0: "1.00", 4: "0.25"}
    assert income(inviter) == {2: "1.00"}


def test_the_shares_come_from_the_rules(family):
    owner, inviter, grand_inviter = family
    EarningsRules.objects.update(inviter_share="0.2", grand_inviter_share="0.1")
    rated_group(5, user=owner)
    settle_yesterday()
    assert (income(inviter), income(grand_inviter)) == ({2: "0.20"}, {2: "0.10"})


def test_the_income_of_a_user_is_summed_and_then_rounded_down():
    EarningsRules.objects.update(inviter_share="0.125")
    inviter = UserFactory()
    for _ in range(3):
        rated_group(2, user=UserFactory(inviter=inviter))
    settle_yesterday()
    assert income(inviter) == {2: "0.01"}  # 3 × 0.00625 = 0.01875


def test_less_than_a_cent_is_not_paid():
    EarningsRules.objects.update(inviter_share="0.125")
    inviter = UserFactory()
    rated_group(1, user=UserFactory(inviter=inviter))
    settle_yesterday()
    assert income(inviter) == {}


@pytest.mark.parametrize(
    "fields",
    [
        {"star": None},
        {"settle_count": 30},
        {"robot_is_in": False},
        {"bound_at": days_ago(1, hour=0)},
        {"cancelled_at": timezone.now(), "cancel_reason": 4},
    ],
    ids=["not rated", "all days paid", "robot gone", "bound that day", "cancelled"],
)
def test_a_group_that_does_not_qualify_earns_nothing(fields: dict):
    group = GroupFactory(**{"star": 5, **fields})
    settle_yesterday()
    assert income(group.user) == {}
    assert GroupDay.objects.count() == 0


def test_a_blocked_owner_and_the_inviters_earn_nothing(family):
    owner, inviter, _ = family
    User.objects.filter(pk=owner.pk).update(blocked_at=timezone.now())
    rated_group(5, user=owner)
    settle_yesterday()
    assert (income(owner), income(inviter)) == ({}, {})


def test_a_blocked_inviter_gets_no_share_and_the_grand_inviter_keeps_theirs(family):
    owner, inviter, grand_inviter = family
    blocking.block(user=inviter, by="root", reason="作弊", at=timezone.now())
    rated_group(5, user=owner)
    settle_yesterday()
    assert (income(owner), income(inviter), income(grand_inviter)) == ({0: "1.00"}, {}, {2: "0.50"})
    assert SettlementDay.objects.get().referral_total == Decimal("0.50")


def test_a_blocked_grand_inviter_gets_no_share(family):
    owner, inviter, grand_inviter = family
    blocking.block(user=grand_inviter, by="root", reason="作弊", at=timezone.now())
    rated_group(3, user=owner)
    settle_yesterday()
    assert (income(inviter), income(grand_inviter)) == ({2: "0.10"}, {})


def test_a_blocked_inviter_gets_no_share_of_an_old_group(family):
    owner, inviter, grand_inviter = family
    blocking.block(user=inviter, by="root", reason="作弊", at=timezone.now())
    legacy(user=owner)
    settle_yesterday()
    assert (income(owner), income(inviter), income(grand_inviter)) == ({0: "0.09"}, {}, {2: "0.02"})


def test_a_settled_day_is_not_paid_after_unblocking(family):
    owner, inviter, _ = family
    blocking.block(user=inviter, by="root", reason="作弊", at=timezone.now())
    rated_group(5, user=owner)
    settle_yesterday()
    blocking.unblock(user=inviter, at=timezone.now())
    settle_yesterday()
    assert (income(inviter), ledger_check.find_errors()) == ({}, [])


def test_a_group_bound_the_day_before_earns():
    group = rated_group(5, bound_at=days_ago(2, hour=23))
    settle_yesterday()
    assert income(group.user) == {0: "1.00"}


def test_the_last_paid_day_is_the_30th():
    group = rated_group(5, settle_count=29)
    settle_yesterday()
    group.refresh_from_db()
    assert (income(group.user), group.paid_day_count) == ({0: "1.00"}, 30)


def test_a_plan_applies_from_its_first_to_its_last_day():
    change_plans_in_force(5, valid_to=yesterday() - timedelta(days=1))
    StarPlan.objects.create(
        star=5, daily_profit="2.00", income_days=30, valid_from=yesterday(), valid_to=yesterday()
    )
    group = rated_group(5)
    settle_yesterday()
    assert income(group.user) == {0: "2.00"}


def test_a_day_is_settled_once(family):
    owner, *_ = family
    group = rated_group(5, user=owner)
    settle_yesterday()
    settle_yesterday()
    group.refresh_from_db()
    assert (income(owner), group.paid_day_count, SettlementDay.objects.count()) == ({0: "1.00"}, 1, 1)


def test_today_cannot_be_settled():
    with pytest.raises(CommandError, match="已经结束"):
        call_command("settle", f"--date={timezone.localdate()}")


def test_a_day_without_income_is_settled_too():
    call_command("settle", f"--date={yesterday()}", stdout=StringIO())
    assert SettlementDay.objects.get().group_count == 0


def test_the_totals_of_the_day_equal_the_payments(family):
    owner, *_ = family
    change_plans_in_force(5, activity_bonus="0.25")
    rated_group(5, user=owner)
    settle_yesterday()
    day = SettlementDay.objects.get()
    assert (day.group_count, day.owner_total, day.referral_total, day.bonus_total) == (
        1,
        Decimal("1.00"),
        Decimal("1.50"),
        Decimal("0.25"),
    )


def test_the_number_of_queries_does_not_grow_with_the_groups(django_assert_max_num_queries):
    owner = UserFactory()
    for _ in range(60):
        rated_group(3, user=owner)
    with django_assert_max_num_queries(26):
        settle_yesterday()
    assert income(owner) == {0: "6.00"}


def test_profit_and_daily_income_are_the_sums_of_the_entries(family):
    owner, inviter, _ = family
    rated_group(5, user=owner)
    rated_group(3, user=inviter)
    settle_yesterday()
    profit = ApiClient(inviter).get("/profit")["data"]["summary"]
    assert profit == {"amount": "1.10", "balance": "1.10", "yesterday_balance": "1.10"}
    days = ApiClient(inviter).get("/profit/slip")["data"]
    assert [day["balance_detail"] for day in days] == ["0.00", "1.10", *["0.00"] * 13]
    assert [part["slip_type"] for part in days[0]["detail"]] == [0, 1, 2, 3, 4]
    assert [part["balance"] for part in days[1]["detail"]] == ["0.10", "0.00", "1.00", "0.00", "0.00"]


def test_the_number_of_queries_of_profit_does_not_grow_with_the_days(family, django_assert_num_queries):
    owner, *_ = family
    start_settlement(25)
    rated_group(5, user=owner, bound_at=days_ago(25))
    settle()
    client = ApiClient(owner)
    with django_assert_num_queries(1):
        client.get("/profit")
    with django_assert_num_queries(1):
        client.get("/profit/slip")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_concurrent_settlements_do_not_pay_a_group_beyond_its_last_day():
    group = rated_group(5, settle_count=29)
    days = [timezone.localdate() - timedelta(days=back) for back in range(1, 5)]

    def run(day: date) -> None:
        try:
            settle_day(day, at=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, days))
    group.refresh_from_db()
    assert (group.paid_day_count, GroupDay.objects.count()) == (30, 1)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_concurrent_settlements_of_a_day_pay_once():
    group = rated_group(5)

    def run(_: int) -> bool:
        try:
            return settle_day(yesterday(), at=timezone.now()).is_new
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(run, range(6))) == 1
    assert Account.objects.get(user=group.user).available == Decimal("1.00")
    assert ledger_check.find_errors() == []
