"""Previews of a settlement and of a changed plan."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from earnings import settlement
from earnings.models import GroupDay, LedgerTransaction, SettlementDay
from earnings.settlement import settle_day
from groups.models import StarPlan
from tests.factories.money import change_plans_in_force, rated_group
from tests.factories.people import UserFactory
from tests.support.settlement import yesterday

pytestmark = pytest.mark.django_db


def test_a_dry_run_shows_the_amounts_and_saves_nothing():
    group = rated_group(5)
    output = StringIO()
    call_command("settle", f"--date={yesterday()}", "--dry-run", stdout=output)
    assert "5 star: 1 groups, 1.00 yuan" in output.getvalue()
    assert "would be paid" in output.getvalue()
    group.refresh_from_db()
    assert (group.paid_day_count, LedgerTransaction.objects.count(), SettlementDay.objects.count()) == (0, 0, 0)


def test_a_preview_equals_the_settlement(family):
    owner, *_ = family
    rated_group(5, user=owner)
    before = settlement.preview(yesterday(), at=timezone.now())
    paid = settle_day(yesterday(), at=timezone.now())
    assert (before.total, before.per_star, before.largest) == (paid.total, paid.per_star, paid.largest)
    assert not settlement.preview(yesterday(), at=timezone.now()).is_new


def test_a_preview_of_a_plan_shows_the_amounts_and_saves_nothing(family):
    owner, *_ = family
    rated_group(5, user=owner, settle_count=10)
    tomorrow = timezone.localdate() + timedelta(days=1)
    plan = StarPlan(star=5, income_days=40, daily_profit="2.00", valid_from=tomorrow)
    before, after = settlement.preview_change(tomorrow, plan.save, at=timezone.now())
    assert (before.owner_total, before.referral_total, before.to_come) == (1, Decimal("1.5"), 20)
    assert (after.owner_total, after.referral_total, after.to_come) == (2, 3, 60)
    assert (StarPlan.objects.filter(star=5).count(), GroupDay.objects.count()) == (1, 0)


def test_a_dry_run_lists_the_ten_users_with_the_largest_amounts(capsys):
    change_plans_in_force(5, activity_bonus="0.25")
    for number in range(12):
        user = UserFactory(nickname=f"person-{number:02}")
        for _ in range(number + 1):
            rated_group(5, user=user)
    call_command("settle", f"--date={yesterday()}", "--dry-run")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if "person-" in line]
    assert lines == [f"person-{number:02}: {(number + 1) * 5 / 4:.2f} yuan" for number in range(11, 1, -1)]
