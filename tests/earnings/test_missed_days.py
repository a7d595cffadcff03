"""Missed days: which days are settled later, and what a day settled late pays."""

from datetime import datetime, timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.db.models import Sum
from django.utils import timezone

from accounts import blocking
from accounts.models import User
from earnings.models import EarningsRules, GroupDay, LedgerEntry, SettlementDay
from earnings.settlement import settle_day
from earnings.tasks import settle
from groups.models import Group
from tests.factories.money import rated_group
from tests.factories.people import GroupFactory, UserFactory, days_ago
from tests.support.settlement import income, legacy, rate, settle_yesterday, start_settlement

pytestmark = pytest.mark.django_db


def paid_days(group: Group) -> list[int]:
    """Return the number of days since each paid day of this group, the oldest first."""
    days = GroupDay.objects.filter(group=group).order_by("day").values_list("day", flat=True)
    return [(timezone.localdate() - day).days for day in days]


def totals(user: User) -> dict[int, str]:
    """Return {income type: yuan} over all days."""
    rows = LedgerEntry.objects.filter(account__user=user).values_list("income_type").annotate(Sum("amount"))
    return {income_type: str(amount) for income_type, amount in rows}


@pytest.fixture(autouse=True)
def _settled_for_forty_days() -> None:
    start_settlement(40)


def test_the_nightly_job_catches_up_on_missed_days():
    start_settlement(3)
    group = rated_group(5, bound_at=days_ago(4))
    assert settle() == 3
    group.refresh_from_db()
    assert group.paid_day_count == 3
    assert settle() == 0


def test_a_better_star_applies_to_later_days_only():
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


def test_days_before_the_first_rating_pay_nothing():
    group = GroupFactory(bound_at=days_ago(5))
    rate(group, 4, at=days_ago(2, hour=23))
    settle()
    assert paid_days(group) == [2, 1]


def test_a_first_rating_after_midnight_counts_for_the_day_of_the_rating():
    group = GroupFactory(bound_at=days_ago(5))
    rate(group, 4, at=days_ago(1, hour=1))
    settle()
    assert paid_days(group) == [1]


def test_an_old_group_is_paid_as_an_old_group_before_its_first_rating():
    group = legacy(bound_at=days_ago(4))
    rate(group, 5, at=days_ago(2))
    settle()
    stars = GroupDay.objects.filter(group=group).order_by("day").values_list("star", flat=True)
    assert list(stars) == [None, 5, 5]


def test_a_star_without_any_rating_was_imported_and_counts_for_every_day():
    group = rated_group(5, bound_at=days_ago(4))
    settle()
    assert paid_days(group) == [3, 2, 1]


def test_missed_days_before_a_settled_day_are_found():
    start_settlement(5)
    group = rated_group(5, bound_at=days_ago(6))
    for back in (5, 2):
        settle_day(timezone.localdate() - timedelta(days=back), at=timezone.now())
    assert settle() == 3
    group.refresh_from_db()
    assert (group.paid_day_count, settle()) == (5, 0)


def test_a_late_settlement_pays_a_group_that_was_cancelled_after_the_day():
    group = rated_group(5, bound_at=days_ago(9), cancelled_at=days_ago(2), cancel_reason=3, robot_is_in=False)
    settle()
    assert paid_days(group) == [8, 7, 6, 5, 4, 3]  # day 3 was due on day 2 at 00:30, before the cancellation


def test_a_group_cancelled_before_the_due_moment_is_not_paid_by_a_late_settlement():
    midnight = days_ago(2, hour=0)
    group, later = (
        rated_group(5, bound_at=days_ago(4), cancelled_at=midnight + timedelta(minutes=minutes), cancel_reason=4)
        for minutes in (29, 31)
    )
    settle()
    assert (paid_days(group), paid_days(later)) == ([], [3])


def blocked_between(user: User, first: datetime, last: datetime) -> None:
    blocking.block(user=user, by="root", reason="作弊", at=first)
    blocking.unblock(user=user, at=last)


def test_the_days_of_a_block_are_not_paid_after_its_end():
    group = rated_group(5, bound_at=days_ago(8))
    blocked_between(group.user, days_ago(6), days_ago(3))
    settle()
    assert paid_days(group) == [7, 3, 2, 1]


def test_a_user_who_is_blocked_at_a_late_settlement_gets_nothing():
    group = rated_group(5, bound_at=days_ago(3))
    blocking.block(user=group.user, by="root", reason="作弊", at=timezone.now())
    settle()
    assert paid_days(group) == []


def test_inviters_get_nothing_for_the_days_of_their_block(family):
    owner, inviter, grand_inviter = family
    rated_group(5, user=owner, bound_at=days_ago(4))
    blocked_between(inviter, days_ago(3), days_ago(2))
    blocked_between(grand_inviter, days_ago(2), days_ago(1))
    settle()
    assert (totals(inviter), totals(grand_inviter)) == ({2: "2.00"}, {2: "1.00"})


def test_an_inviter_gets_a_share_from_the_completion_on():
    inviter = UserFactory()
    owner = UserFactory(inviter=inviter, completed_at=days_ago(2))
    User.objects.filter(pk=owner.pk).update(created_at=days_ago(9))  # registered before having a group
    rated_group(5, user=owner, bound_at=days_ago(5))
    settle()
    assert totals(inviter) == {2: "2.00"}


def test_a_grand_inviter_gets_a_share_from_the_completion_on():
    grand_inviter = UserFactory()
    inviter = UserFactory(inviter=grand_inviter, completed_at=days_ago(1))
    User.objects.filter(pk=inviter.pk).update(created_at=days_ago(9))
    rated_group(5, user=UserFactory(inviter=inviter), bound_at=days_ago(4))
    settle()
    assert (totals(inviter), totals(grand_inviter)) == ({2: "3.00"}, {2: "0.50"})


def test_paid_days_of_an_earlier_binding_count_for_the_later_binding():
    earlier = rated_group(5, code="g", bound_at=days_ago(9), cancelled_at=days_ago(2), cancel_reason=3)
    later = GroupFactory(code="g", bound_at=days_ago(1))
    settle_day(timezone.localdate() - timedelta(days=4), at=timezone.now())
    later.refresh_from_db()
    earlier.refresh_from_db()
    assert (earlier.paid_day_count, later.paid_day_count) == (1, 1)


def test_a_day_of_two_earlier_bindings_counts_once_for_the_later_binding():
    for days in (9, 8):  # by the gateway's times both were bound on that day
        rated_group(5, code="g", bound_at=days_ago(days), cancelled_at=days_ago(2), cancel_reason=3)
    later = GroupFactory(code="g", bound_at=days_ago(1))
    settle_day(timezone.localdate() - timedelta(days=4), at=timezone.now())
    later.refresh_from_db()
    assert (later.paid_day_count, GroupDay.objects.count()) == (1, 2)


def settled_days() -> list[int]:
    """Return the number of days since each settled day."""
    return sorted((timezone.localdate() - day).days for day in SettlementDay.objects.values_list("day", flat=True))


def test_days_before_the_first_settled_day_are_not_settled():
    start_settlement(2)
    star, old = rated_group(5, bound_at=days_ago(20)), legacy(bound_at=days_ago(400))
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


def test_an_older_day_settled_by_command_makes_no_other_day_due():
    start_settlement(2)
    group = rated_group(5, bound_at=days_ago(20))
    call_command("settle", f"--date={timezone.localdate() - timedelta(days=9)}", stdout=StringIO())
    assert settle() == 2
    assert settled_days() == [1, 2, 9]
    assert GroupDay.objects.filter(group=group).count() == 3


def test_operators_change_the_first_settled_day():
    rated_group(5, bound_at=days_ago(20))
    start_settlement(1)
    settle()
    start_settlement(4)
    assert settle() == 3


def test_at_most_a_month_of_missed_days_is_settled():
    start_settlement(400)
    legacy(bound_at=days_ago(500))
    assert settle() == 32
