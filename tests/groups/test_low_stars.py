"""Cancelling of low-star groups beyond the configured totals, the longest-earning first."""

import pytest

from groups.models import CancelReason, Group
from groups.tasks import clean_up_low_stars, run_cancel_jobs
from tests.factories.people import GroupFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _groups() -> None:
    for days in (0, 9, 5):
        GroupFactory(code=f"one-{days}", star=1, settle_count=days)
    GroupFactory(code="two", star=2, settle_count=20)
    GroupFactory(code="unrated")


def left() -> set[str]:
    run_cancel_jobs()
    return set(Group.objects.active().values_list("code", flat=True))


def test_the_clean_up_is_off_unless_totals_are_set():
    assert clean_up_low_stars() == 0
    assert len(left()) == 5


def test_groups_beyond_the_total_are_cancelled(settings):
    settings.LOW_STAR_TOTALS = {"1": "1", "2": "5"}
    assert clean_up_low_stars() == 2
    assert left() == {"one-0", "two", "unrated"}
    gone = Group.objects.exclude(cancelled_at=None)
    assert set(gone.values_list("cancel_reason", "cancelled_by")) == {(CancelReason.TOO_MANY_LOW_STARS, "低星清理")}


def test_a_second_clean_up_cancels_nothing_more(settings):
    settings.LOW_STAR_TOTALS = {"1": "1"}
    clean_up_low_stars()
    left()
    assert clean_up_low_stars() == 0
