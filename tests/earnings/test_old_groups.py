"""Old groups: imported groups without a star, whose income depends on their repeat rate."""

from datetime import timedelta

import pytest
from django.utils import timezone

from earnings.models import GroupDay
from earnings.settlement import settle_day
from tests.factories.money import change_plans_in_force
from tests.factories.people import GroupFactory, days_ago
from tests.support.settlement import income, legacy, rate, settle_yesterday

pytestmark = pytest.mark.django_db


def settle_days(*ages: int) -> None:
    """Settle the days of these ages, one after the other."""
    for age in ages:
        settle_day(timezone.localdate() - timedelta(days=age), at=timezone.now())


def test_an_old_group_earns_by_its_repeat_rate(family):
    owner, inviter, grand_inviter = family
    legacy(user=owner)
    settle_yesterday()
    assert (income(owner), income(inviter), income(grand_inviter)) == ({0: "0.09"}, {2: "0.09"}, {2: "0.02"})


def test_an_old_group_that_the_user_owns_earns_more_for_the_owner_only(family):
    owner, inviter, _ = family
    legacy(user=owner, wechat_owner_code=owner.code)
    settle_yesterday()
    assert (income(owner), income(inviter)) == ({0: "0.40"}, {2: "0.09"})  # 0.45 × 0.9 = 0.405


@pytest.mark.parametrize("fields", [{"member_count": 49}, {"repeat_rate": None}])
def test_an_old_group_with_few_members_or_without_repeat_rate_earns_nothing(fields: dict):
    group = GroupFactory(**{"is_legacy": True, "member_count": 50, "repeat_rate": "0.1", **fields})
    settle_yesterday()
    assert income(group.user) == {}


def test_days_of_an_old_group_do_not_count_as_paid_days():
    group = legacy()
    settle_yesterday()
    group.refresh_from_db()
    assert (group.paid_day_count, GroupDay.objects.count()) == (0, 1)


def test_an_old_group_gets_all_paid_days_of_a_later_star():
    change_plans_in_force(income_days=2)
    group = legacy(bound_at=days_ago(20))
    settle_days(5, 4)
    rate(group, 5, at=days_ago(3))
    settle_days(3, 2, 1)
    paid = GroupDay.objects.filter(group=group).order_by("day").values_list("star", flat=True)
    assert list(paid) == [None, None, 5, 5]


def test_days_of_an_old_group_do_not_count_for_a_later_binding():
    legacy(code="g", bound_at=days_ago(9), cancelled_at=days_ago(2), cancel_reason=3)
    later = GroupFactory(code="g", bound_at=days_ago(1))
    settle_days(4)
    later.refresh_from_db()
    assert (later.paid_day_count, GroupDay.objects.count()) == (0, 1)
