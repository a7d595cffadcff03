"""Two settlements at once are killed fifty times at random. The result equals that of one clean run, to the cent."""

import os
import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from earnings import ledger_check
from earnings.models import EarningsRules, GroupDay, LedgerEntry, SettlementDay
from earnings.settlement import settle_missed
from groups.models import PaidDays
from tests.factories.money import change_plans_in_force, rated_group
from tests.factories.people import GroupFactory, RobotFactory, UserFactory, days_ago
from tests.support.killable import Killable

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("processes"),
]
KILLS = int(os.environ.get("SETTLEMENT_KILLS", "50"))
DAYS = 26


@pytest.fixture
def worker(settings: Any) -> Iterator[Killable]:
    killable = Killable(connection.settings_dict["NAME"], RUN_DIR=str(settings.RUN_DIR))
    yield killable
    killable.close()


def people_with_groups() -> None:
    """Create users of three generations with groups of all stars, bonuses, old groups, and groups near their last day."""
    EarningsRules.objects.update(settle_from=timezone.localdate() - timedelta(days=DAYS))
    change_plans_in_force(4, activity_bonus="0.07")
    robot, above = RobotFactory(), [UserFactory()]
    for number in range(14):
        user = UserFactory(inviter=above[number // 3])
        above.append(user)
        rated_group(number % 5 + 1, user=user, robot=robot, bound_at=days_ago(DAYS + 1), settle_count=10 + number)
        old = {"is_legacy": True, "member_count": 60, "repeat_rate": Decimal("0.3333")}
        GroupFactory(user=user, robot=robot, bound_at=days_ago(number % DAYS + 1), **old)


def result() -> tuple[Any, ...]:
    """Return all rows that a settlement writes, without the keys that differ from run to run."""
    entries = LedgerEntry.objects.order_by("day", "income_type", "account__user__code", "amount")
    return (
        list(entries.values_list("day", "income_type", "account__user__code", "amount")),
        list(GroupDay.objects.order_by("day", "group").values_list("day", "group", "star", "profit", "bonus")),
        list(PaidDays.objects.order_by("pk").values_list("pk", "day_count")),
        list(
            SettlementDay.objects.order_by("day").values_list("day", "group_count", "owner_total", "referral_total")
        ),
    )


def clean_run() -> tuple[tuple[Any, ...], int]:
    """Return the result of a complete run, which is rolled back, and its number of steps per day."""
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        settle_missed(at=timezone.now())
        clean, steps = result(), len(queries) // DAYS
        transaction.set_rollback(True)
    return clean, steps


def test_killed_at_random_and_two_at_once(worker: Killable):
    people_with_groups()
    clean, steps = clean_run()
    furthest = steps * 3 // 2  # a third of them get a day done
    chance = random.Random(20261124)
    kills = 0
    while kills < KILLS:
        ended = worker.run(*[("settle", chance.randint(1, furthest)) for _ in range(2)])
        kills += sum(killed for killed, _ in ended)
        assert ledger_check.find_errors() == []
    assert 0 < SettlementDay.objects.count() < DAYS  # the runs were killed in the middle of the work
    worker.run(("settle", 0), ("settle", 0))
    assert len(clean[3]) == DAYS
    assert result() == clean
    assert ledger_check.find_errors() == []
