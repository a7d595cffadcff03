"""Nights that were missed: which are found, and what a day settled late pays."""

from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from earnings.models import EarningsRules, GroupDay, SettlementDay
from earnings.settlement import settle_day
from earnings.tasks import settle
from tests.earnings.nights import begin, income, legacy, rate, settle_yesterday
from tests.factories.money import rated
from tests.factories.people import GroupFactory, days_ago

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _looked_after_for_long() -> None:
    begin(40)


def test_the_nightly_job_catches_up_on_missed_days():
    begin(3)
    group = rated(5, bound_at=days_ago(4))
    assert settle() == 3
    group.refresh_from_db()
    assert group.settle_count == 3
    assert settle() == 0


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
    settle()
    assert income(group.user) == {0: "1.00"}
    assert GroupDay.objects.count() == 3


def test_days_left_out_are_found_though_a_later_one_is_settled():
    begin(5)
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


def settled_days() -> list[int]:
    """How many days ago each settled day was."""
    return sorted((timezone.localdate() - day).days for day in SettlementDay.objects.values_list("day", flat=True))


def test_the_first_night_pays_nothing_of_the_time_before_the_start():
    begin(2)
    star, old = rated(5, bound_at=days_ago(20)), legacy(bound_at=days_ago(400))
    assert settle() == 2
    assert settled_days() == [1, 2]
    assert GroupDay.objects.filter(group__in=[star, old]).count() == 4


def test_a_new_installation_starts_on_the_day_of_its_migration():
    legacy(bound_at=days_ago(400))
    EarningsRules.objects.update(settle_from=EarningsRules._meta.get_field("settle_from").get_default())
    assert settle() == 0
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        assert settle() == 1
    assert settled_days() == [0]


def test_an_older_day_is_settled_by_hand_and_opens_none_beside_it():
    begin(2)
    group = rated(5, bound_at=days_ago(20))
    call_command("settle", f"--date={timezone.localdate() - timedelta(days=9)}", stdout=StringIO())
    assert settle() == 2
    assert settled_days() == [1, 2, 9]
    assert GroupDay.objects.filter(group=group).count() == 3


def test_operators_move_the_start():
    rated(5, bound_at=days_ago(20))
    begin(1)
    settle()
    begin(4)
    assert settle() == 3


def test_a_start_long_ago_opens_no_more_than_a_month():
    begin(400)
    legacy(bound_at=days_ago(500))
    assert settle() == 32
