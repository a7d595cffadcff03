"""On which days no plan says what a star earns."""

from datetime import date, timedelta

import pytest

from groups.models import StarPlan
from groups.stars import PlanGap, gaps_in_plans

TODAY = date(2026, 11, 10)


def plan(star: int, first: int, last: int | None = None) -> StarPlan:
    """A plan that is valid from and to these days, counted from today."""
    ends = None if last is None else TODAY + timedelta(days=last)
    return StarPlan(star=star, daily_profit=1, valid_from=TODAY + timedelta(days=first), valid_to=ends)


def gaps(*plans: tuple[int, int | None]) -> list[tuple[int, int | None]]:
    """The gaps of star 1, as days from today; the other stars have a plan for ever."""
    others = [plan(star, -100) for star in range(2, 6)]
    found = gaps_in_plans([*others, *(plan(1, *days) for days in plans)], since=TODAY)
    assert {gap.star for gap in found} <= {1}
    return [((gap.first - TODAY).days, gap.last and (gap.last - TODAY).days) for gap in found]


@pytest.mark.parametrize(
    ("plans", "left"),
    [
        ([(-100, None)], []),
        ([(0, None)], []),
        ([(-100, 5), (6, None)], []),
        ([(-100, 5), (7, None)], [(6, 6)]),
        ([(-100, 5), (9, 12), (20, None)], [(6, 8), (13, 19)]),
        ([(9, 12), (-100, 5), (6, 8), (13, None)], []),  # in any order
        ([(-100, 20), (3, 5), (21, None)], []),  # one within another
        ([(-100, None), (3, 5)], []),  # a plan without an end is valid again after a shorter one
        ([(-100, 5)], [(6, None)]),
        ([(3, None)], [(0, 2)]),
        ([(-100, -50), (-10, None)], []),  # what is past is past
        ([(-100, -1)], [(0, None)]),
        ([(-100, 0), (2, 2)], [(1, 1), (3, None)]),
        ([], [(0, None)]),
    ],
)
def test_the_days_that_no_plan_covers_are_found(plans: list, left: list):
    assert gaps(*plans) == left


def test_each_star_has_gaps_of_its_own():
    plans = [plan(1, -9), plan(2, -9, 3), plan(4, 2), plan(5, -9)]
    assert gaps_in_plans(plans, since=TODAY) == [
        PlanGap(2, TODAY + timedelta(days=4), None),
        PlanGap(3, TODAY, None),
        PlanGap(4, TODAY, TODAY + timedelta(days=1)),
    ]


@pytest.mark.django_db
def test_the_plans_of_a_new_installation_leave_no_gap():
    assert gaps_in_plans(StarPlan.objects.all(), since=date(2026, 1, 1)) == []
