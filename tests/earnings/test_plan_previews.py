"""What a night or a changed plan would pay, seen before it does."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from earnings import settlement
from earnings.models import GroupDay, LedgerTransaction, SettlementDay
from earnings.settlement import settle_day
from groups.models import StarPlan
from tests.earnings.nights import yesterday
from tests.factories.money import rated
from tests.factories.people import OperatorFactory, UserFactory

pytestmark = pytest.mark.django_db


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


def test_a_dry_run_names_the_ten_who_would_get_most(capsys):
    StarPlan.objects.filter(star=5).update(activity_bonus="0.25")
    for number in range(12):
        user = UserFactory(nickname=f"person-{number:02}")
        for _ in range(number + 1):
            rated(5, user=user)
    call_command("settle", f"--date={yesterday()}", "--dry-run")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if "person-" in line]
    assert lines == [f"person-{number:02}: {(number + 1) * 5 / 4:.2f} yuan" for number in range(11, 1, -1)]
