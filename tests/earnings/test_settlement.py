"""What a day pays, to whom, and that it pays once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from earnings import ledger, settlement
from earnings.models import Account, EarningsRules, GroupDay, LedgerEntry, LedgerTransaction, SettlementDay
from earnings.settlement import settle_day
from earnings.tasks import settle
from groups import stars
from groups.models import Group, StarPlan
from tests.api import ApiClient
from tests.factories.money import rated
from tests.factories.people import GroupFactory, OperatorFactory, UserFactory, days_ago

pytestmark = pytest.mark.django_db


def yesterday() -> date:
    return timezone.localdate() - timedelta(days=1)


def settle_yesterday() -> None:
    settle_day(yesterday(), at=timezone.now())


def income(user: User) -> dict[int, str]:
    """Kind of income → yuan."""
    return {entry.slip_type: str(entry.amount) for entry in LedgerEntry.objects.filter(account__user=user)}


@pytest.fixture
def family() -> tuple[User, User, User]:
    """(owner, master, grand-master)."""
    grand = UserFactory()
    master = UserFactory(inviter=grand)
    return UserFactory(inviter=master), master, grand


@pytest.mark.parametrize(
    ("star", "profit", "half"),
    [(1, "0.02", "0.01"), (2, "0.05", "0.02"), (3, "0.10", "0.05"), (4, "0.30", "0.15"), (5, "1.00", "0.50")],
)
def test_a_group_pays_its_owner_and_the_two_above(family, star: int, profit: str, half: str):
    owner, master, grand = family
    rated(star, user=owner)
    settle_yesterday()
    assert income(owner) == {0: profit}
    assert income(master) == {2: profit}
    assert income(grand) == {2: half}


def test_nobody_above_the_grand_master_gets_anything(family):
    owner, _, grand = family
    top = UserFactory()
    User.objects.filter(pk=grand.pk).update(inviter=top)
    rated(5, user=owner)
    settle_yesterday()
    assert income(top) == {}


def test_the_activity_bonus_is_the_owners_only(family):
    owner, master, _ = family
    StarPlan.objects.filter(star=5).update(activity_bonus="0.25")
    rated(5, user=owner)
    settle_yesterday()
    assert income(owner) == {0: "1.00", 4: "0.25"}
    assert income(master) == {2: "1.00"}


def test_shares_are_operators_rules(family):
    owner, master, grand = family
    EarningsRules.objects.update(inviter_share="0.2", grand_inviter_share="0.1")
    rated(5, user=owner)
    settle_yesterday()
    assert (income(master), income(grand)) == ({2: "0.20"}, {2: "0.10"})


def test_a_persons_day_is_summed_and_then_floored():
    EarningsRules.objects.update(inviter_share="0.125")
    master = UserFactory()
    for _ in range(3):
        rated(2, user=UserFactory(inviter=master))
    settle_yesterday()
    assert income(master) == {2: "0.01"}  # 3 × 0.00625 = 0.01875


def test_less_than_a_cent_is_nothing():
    EarningsRules.objects.update(inviter_share="0.125")
    master = UserFactory()
    rated(1, user=UserFactory(inviter=master))
    settle_yesterday()
    assert income(master) == {}


@pytest.mark.parametrize(
    "facts",
    [
        {"star": None},
        {"settle_count": 30},
        {"robot_is_in": False},
        {"bound_at": days_ago(1, hour=0)},
        {"cancelled_at": timezone.now(), "cancel_reason": 4},
    ],
    ids=["not rated", "all days paid", "robot gone", "bound that day", "cancelled"],
)
def test_such_a_group_earns_nothing(facts: dict):
    group = GroupFactory(**{"star": 5, **facts})
    settle_yesterday()
    assert income(group.user) == {}
    assert GroupDay.objects.count() == 0


def test_a_blocked_owner_earns_nothing_and_nor_do_those_above(family):
    owner, master, _ = family
    User.objects.filter(pk=owner.pk).update(blocked_at=timezone.now())
    rated(5, user=owner)
    settle_yesterday()
    assert (income(owner), income(master)) == ({}, {})


def test_a_group_bound_the_day_before_earns():
    group = rated(5, bound_at=days_ago(2, hour=23))
    settle_yesterday()
    assert income(group.user) == {0: "1.00"}


def test_the_last_paid_day_is_the_30th():
    group = rated(5, settle_count=29)
    settle_yesterday()
    group.refresh_from_db()
    assert (income(group.user), group.settle_count) == ({0: "1.00"}, 30)


def test_a_plan_is_paid_from_and_to_its_days():
    StarPlan.objects.filter(star=5).update(valid_to=yesterday() - timedelta(days=1))
    StarPlan.objects.create(
        star=5, daily_profit="2.00", income_days=30, valid_from=yesterday(), valid_to=yesterday()
    )
    group = rated(5)
    settle_yesterday()
    assert income(group.user) == {0: "2.00"}


def legacy(**facts):
    return GroupFactory(is_legacy=True, member_count=50, repeat_rate="0.1", **facts)


def test_an_old_group_earns_by_its_repeat_rate(family):
    owner, master, grand = family
    legacy(user=owner)
    settle_yesterday()
    assert (income(owner), income(master), income(grand)) == ({0: "0.09"}, {2: "0.09"}, {2: "0.02"})


def test_an_old_group_that_the_user_owns_earns_more_for_the_owner_only(family):
    owner, master, _ = family
    legacy(user=owner, wechat_owner_code=owner.code)
    settle_yesterday()
    assert (income(owner), income(master)) == ({0: "0.40"}, {2: "0.09"})  # 0.45 × 0.9 = 0.405


@pytest.mark.parametrize("facts", [{"member_count": 49}, {"repeat_rate": None}])
def test_such_an_old_group_earns_nothing(facts: dict):
    group = GroupFactory(**{"is_legacy": True, "member_count": 50, "repeat_rate": "0.1", **facts})
    settle_yesterday()
    assert income(group.user) == {}


def test_a_day_is_settled_once(family):
    owner, *_ = family
    group = rated(5, user=owner)
    settle_yesterday()
    settle_yesterday()
    group.refresh_from_db()
    assert (income(owner), group.settle_count, SettlementDay.objects.count()) == ({0: "1.00"}, 1, 1)


def test_the_nightly_job_catches_up_on_missed_days():
    group = rated(5, bound_at=days_ago(4))
    assert settle() == 3
    group.refresh_from_db()
    assert group.settle_count == 3
    assert settle() == 0


def rate(group: Group, star: int, *, at: datetime) -> None:
    with time_machine.travel(at, tick=False):
        stars.rate([stars.Rating(group.code, star, 1)], at=timezone.now())


def test_a_better_star_raises_later_days_only():
    group = GroupFactory()
    rate(group, 3, at=days_ago(5))
    rate(group, 5, at=days_ago(0, hour=0))
    settle_yesterday()
    assert income(group.user) == {0: "0.10"}


def test_days_settled_late_are_paid_by_the_star_of_that_day():
    group = GroupFactory(bound_at=days_ago(5))
    rate(group, 1, at=days_ago(5))
    rate(group, 4, at=days_ago(3))
    rate(group, 2, at=days_ago(1))
    settle()
    paid = GroupDay.objects.order_by("day").values_list("star", "profit")
    assert [(star, str(profit)) for star, profit in paid] == [
        (1, "0.020000"),
        (4, "0.300000"),
        (4, "0.300000"),
        (2, "0.050000"),
    ]


def test_days_before_the_first_rating_are_paid_by_the_star_that_stands():
    group = GroupFactory(bound_at=days_ago(4))
    rate(group, 5, at=timezone.now())
    assert settle() == 3
    assert income(group.user) == {0: "1.00"}
    assert GroupDay.objects.count() == 3


def test_days_left_out_are_found_though_a_later_one_is_settled():
    group = rated(5, bound_at=days_ago(6))
    for back in (5, 2):
        settle_day(timezone.localdate() - timedelta(days=back), at=timezone.now())
    assert settle() == 3
    group.refresh_from_db()
    assert (group.settle_count, settle()) == (5, 0)


def test_a_late_settlement_pays_a_group_that_was_cancelled_since():
    group = rated(5, bound_at=days_ago(9), cancelled_at=days_ago(2), cancel_reason=3, robot_is_in=False)
    settle()
    assert (
        GroupDay.objects.filter(group=group).count() == 5
    )  # up to the fourth day back: the third was due on the second


def test_paid_days_of_an_earlier_life_count_on_the_later_one():
    earlier = rated(5, code="g", bound_at=days_ago(9), cancelled_at=days_ago(2), cancel_reason=3)
    later = GroupFactory(code="g", bound_at=days_ago(1))
    settle_day(timezone.localdate() - timedelta(days=4), at=timezone.now())
    later.refresh_from_db()
    earlier.refresh_from_db()
    assert (earlier.settle_count, later.settle_count) == (1, 1)


def test_today_cannot_be_settled():
    with pytest.raises(CommandError, match="已经结束"):
        call_command("settle", f"--date={timezone.localdate()}")


def test_a_dry_run_shows_what_it_would_pay_and_keeps_nothing():
    group = rated(5)
    said = StringIO()
    call_command("settle", f"--date={yesterday()}", "--dry-run", stdout=said)
    assert "5 star: 1 groups, 1.00 yuan" in said.getvalue()
    assert "would be paid" in said.getvalue()
    group.refresh_from_db()
    assert (group.settle_count, LedgerTransaction.objects.count(), SettlementDay.objects.count()) == (0, 0, 0)


def test_a_preview_locks_nobody_out_and_says_what_settling_pays(family):
    owner, *_ = family
    rated(5, user=owner)
    before = settlement.preview(yesterday(), at=timezone.now())
    paid = settle_day(yesterday(), at=timezone.now())
    assert (before.total, before.per_star, before.largest) == (paid.total, paid.per_star, paid.largest)
    assert not settlement.preview(yesterday(), at=timezone.now()).is_new


def test_a_preview_of_a_plan_says_what_it_would_pay_and_saves_nothing(family):
    owner, *_ = family
    rated(5, user=owner, settle_count=10)
    plan = StarPlan(star=5, income_days=40, daily_profit="2.00", valid_from=timezone.localdate())
    before, after = settlement.preview_plan(plan, at=timezone.now())
    assert (before.owner_total, before.referral_total, before.to_come) == (1, Decimal("1.5"), 20)
    assert (after.owner_total, after.referral_total, after.to_come) == (2, 3, 60)
    assert (StarPlan.objects.filter(star=5).count(), GroupDay.objects.count()) == (1, 0)


def test_an_operator_sees_what_a_plan_would_pay_before_saving_it(family):
    rated(5, user=family[0])
    client = Client()
    client.force_login(OperatorFactory())
    plan = {
        "star": 5,
        "income_days": 30,
        "daily_profit": "2.00",
        "activity_bonus": "0.50",
        "valid_from": yesterday(),
    }
    page = client.post("/admin/earnings/settlementday/plan/", plan).text
    assert "5.50" in page  # 2.00 + 0.50 for the owner, 2.00 and 1.00 above
    assert StarPlan.objects.filter(star=5).count() == 1
    client.post("/admin/earnings/settlementday/plan/", {**plan, "save": "yes"})
    assert StarPlan.objects.filter(star=5, daily_profit="2.00").count() == 1


def test_a_plan_tried_on_the_first_day_of_another_takes_its_place(family):
    rated(5, user=family[0])
    client = Client()
    client.force_login(OperatorFactory())
    known = StarPlan.objects.get(star=5)
    plan = {
        "star": 5,
        "income_days": 30,
        "daily_profit": "3.00",
        "activity_bonus": "0",
        "valid_from": known.valid_from,
    }
    assert "7.50" in client.post("/admin/earnings/settlementday/plan/", plan).text
    client.post("/admin/earnings/settlementday/plan/", {**plan, "save": "yes"})
    assert StarPlan.objects.get(star=5).daily_profit == Decimal("3.00")


def test_a_plan_that_makes_no_sense_is_not_tried():
    client = Client()
    client.force_login(OperatorFactory())
    plan = {"star": 6, "income_days": 30, "daily_profit": "x", "activity_bonus": "-1", "valid_from": "yesterday"}
    page = client.post("/admin/earnings/settlementday/plan/", plan)
    assert (page.status_code, "保存方案" in page.text) == (200, False)


def test_who_may_not_change_plans_sees_no_preview():
    client = Client()
    client.force_login(OperatorFactory(is_superuser=False))
    assert client.get("/admin/earnings/settlementday/plan/").status_code == 403


def test_a_day_on_which_nobody_earns_is_settled_too():
    call_command("settle", f"--date={yesterday()}", stdout=StringIO())
    assert SettlementDay.objects.get().group_count == 0


def test_the_days_totals_are_what_was_paid(family):
    owner, *_ = family
    StarPlan.objects.filter(star=5).update(activity_bonus="0.25")
    rated(5, user=owner)
    settle_yesterday()
    day = SettlementDay.objects.get()
    assert (day.group_count, day.owner_total, day.referral_total, day.bonus_total) == (
        1,
        Decimal("1.00"),
        Decimal("1.50"),
        Decimal("0.25"),
    )


def test_a_thousand_groups_take_as_many_statements_as_one(django_assert_max_num_queries):
    owner = UserFactory()
    for _ in range(60):
        rated(3, user=owner)
    with django_assert_max_num_queries(26):
        settle_yesterday()
    assert income(owner) == {0: "6.00"}


def test_profit_and_slip_are_the_sums_of_the_entries(family):
    owner, master, _ = family
    rated(5, user=owner)
    rated(3, user=master)
    settle_yesterday()
    profit = ApiClient(master).get("/profit")["data"]["summary"]
    assert profit == {"amount": "1.10", "balance": "1.10", "yesterday_balance": "1.10"}
    slip = ApiClient(master).get("/profit/slip")["data"]
    assert [day["balance_detail"] for day in slip] == ["0.00", "1.10", *["0.00"] * 13]
    assert [part["slip_type"] for part in slip[0]["detail"]] == [0, 1, 2, 3, 4]
    assert [part["balance"] for part in slip[1]["detail"]] == ["0.10", "0.00", "1.00", "0.00", "0.00"]


def test_profit_takes_as_many_queries_for_a_year_as_for_a_day(family, django_assert_num_queries):
    owner, *_ = family
    rated(5, user=owner, bound_at=days_ago(25))
    settle()
    client = ApiClient(owner)
    with django_assert_num_queries(3):  # user, account, income
        client.get("/profit")
    with django_assert_num_queries(3):
        client.get("/profit/slip")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_days_at_once_do_not_pay_a_group_beyond_its_last_day():
    group = rated(5, settle_count=29)
    days = [timezone.localdate() - timedelta(days=back) for back in range(1, 5)]

    def run(day: date) -> None:
        try:
            settle_day(day, at=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, days))
    group.refresh_from_db()
    assert (group.settle_count, GroupDay.objects.count()) == (30, 1)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_settlements_at_once_pay_once():
    group = rated(5)

    def run(_: int) -> bool:
        try:
            return settle_day(yesterday(), at=timezone.now()).is_new
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(run, range(6))) == 1
    assert Account.objects.get(user=group.user).available == Decimal("1.00")
    assert ledger.check() == []
