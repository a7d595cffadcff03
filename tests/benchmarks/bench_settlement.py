"""The settlement of a day with 100,000 groups and two referral levels.

It is compared with a floor that makes the same writes (paid days, paid-day counts, one transaction with its entries, and
with them the accounts' totals) from tables with every value: the floor selects, joins, sums and locks nothing. It is
compared with a loop over groups with the ORM, measured on a sample. Its memory is compared with that for 10,000 groups.
"""

import subprocess
import sys
import time
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from earnings import ledger
from earnings.ledger import Posting
from earnings.models import Account, EarningsRules, GroupDay, IncomeType, LedgerEntry, TransactionKind
from earnings.settlement import settle_day
from groups.models import Group, PaidDays, StarPlan
from robots.models import Robot
from tests.benchmarks.harness import compare, must_reach, report, run
from tests.factories.money import change_plans_in_force
from tests.factories.people import days_ago

GROUPS, PEOPLE, SAMPLE = 100_000, 10_000, 300
FEW = 10_000
_days = count(1)


def next_day() -> date:
    """Return a day that was not settled yet."""
    return timezone.localdate() - timedelta(days=200) + timedelta(days=next(_days))


def make_world() -> None:
    """Create users with ten groups and three apprentices each, robots with thirty groups, all stars, a bonus on one star."""
    people = [User(code=f"p-{n}", nickname=f"p{n}") for n in range(PEOPLE)]
    for number, person in enumerate(people[1:], 1):
        person.inviter = people[(number - 1) // 3]
    User.objects.bulk_create(people, batch_size=2000)
    Account.objects.bulk_create([Account(user=person) for person in people], batch_size=2000)
    robots = [Robot(code=f"r-{n}", name="r", group_count=30) for n in range(GROUPS // 30 + 1)]
    Robot.objects.bulk_create(robots, batch_size=2000)
    bound_at = days_ago(300)
    for start in range(0, GROUPS, 5000):
        Group.objects.bulk_create(
            Group(
                code=f"g-{n:06}",
                user=people[n % PEOPLE],
                robot=robots[n // 30],
                star=n % 5 + 1,
                bound_at=bound_at,
            )
            for n in range(start, start + 5000)
        )
    change_plans_in_force(income_days=1000)
    change_plans_in_force(4, activity_bonus="0.05")


def tidy() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "VACUUM ANALYZE groups_group, groups_paiddays, earnings_account, earnings_ledgerentry, earnings_groupday"
        )


def settle() -> None:
    settle_day(next_day(), at=timezone.now())


def store_known_values() -> None:
    """Create the floor's tables from one real settlement."""
    day = next_day()
    settle_day(day, at=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE known_days AS SELECT group_id, star, profit, bonus FROM earnings_groupday WHERE day = %s",
            [day],
        )
        cursor.execute(
            "CREATE TABLE known_entries AS SELECT account_id, amount, income_type FROM earnings_ledgerentry WHERE day = %s",
            [day],
        )


_FLOOR = (
    "INSERT INTO earnings_settlementday VALUES (%(day)s, now(), 0, 0, 0, 0)",
    "INSERT INTO earnings_groupday (group_id, day, star, profit, bonus)"
    " SELECT group_id, %(day)s, star, profit, bonus FROM known_days",
    "UPDATE groups_paiddays p SET day_count = p.day_count + 1 FROM known_days k WHERE p.group_id = k.group_id",
    "WITH posted AS (INSERT INTO earnings_ledgertransaction (id, kind, idempotency_key, day, posted_at, posted_by, reason)"
    " VALUES (gen_random_uuid(), 'settlement', 'settlement:' || %(day)s, %(day)s, now(), '', '') RETURNING id)"
    " INSERT INTO earnings_ledgerentry (transaction_id, account_id, bucket, amount, income_type, day)"
    " SELECT posted.id, account_id, 'available', amount, income_type, %(day)s FROM known_entries CROSS JOIN posted",
)


def write_known_values() -> None:
    day = next_day()
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in _FLOOR:
            cursor.execute(statement.replace("%(day)s", "%(day)s::date"), {"day": day})


def loop_over_groups(groups: list[Group], day: date) -> None:
    """Settle group by group with the ORM, each group in a posting of its own."""
    rules, rewards, now = EarningsRules.current(), ledger.platform_account(Account.Kind.REWARDS), timezone.now()
    for group in groups:
        plan = StarPlan.objects.filter(star=group.star, valid_from__lte=day).latest("valid_from")
        with transaction.atomic():
            GroupDay.objects.create(group=group, day=day, star=group.star, profit=plan.daily_profit)
            PaidDays.objects.filter(group=group).update(day_count=F("day_count") + 1)
            postings = [Posting(ledger.account_of(group.user), plan.daily_profit, income_type=IncomeType.GROUPS)]
            above, share = group.user.inviter, rules.inviter_share
            for next_share in (rules.grand_inviter_share, Decimal(0)):
                if above is not None and (amount := ledger.rounded_down(plan.daily_profit * share)):
                    postings.append(Posting(ledger.account_of(above), amount, income_type=IncomeType.APPRENTICES))
                above, share = above.inviter if above else None, next_share
            postings.append(Posting(rewards, -sum((posting.amount for posting in postings), Decimal(0))))
            idempotency_key = f"loop:{day}:{group.pk}"
            ledger.post(
                kind=TransactionKind.SETTLEMENT, idempotency_key=idempotency_key, day=day, at=now, postings=postings
            )


def against_a_loop() -> None:
    ratios = []
    for number in range(5):
        tidy()
        began = time.perf_counter()
        settle()
        ours = (time.perf_counter() - began) / GROUPS
        groups = list(Group.objects.order_by("code")[number * SAMPLE : (number + 1) * SAMPLE])
        day = next_day()
        began = time.perf_counter()
        loop_over_groups(groups, day)
        ratios.append((time.perf_counter() - began) / SAMPLE / ours)
    must_reach("a group of the settlement against one of an ORM loop", ratios[1:], at_least=100)


def memory_of(day: date) -> int:
    """Return the peak private memory of `manage.py settle` and its PostgreSQL process, in KiB."""
    process = subprocess.Popen([sys.executable, "manage.py", "settle", f"--date={day}"], stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(_own_kib(pid) for pid in (process.pid, *_other_backends())))
        time.sleep(0.02)
    assert process.returncode == 0
    return peak


def _other_backends() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in cursor.fetchall()]


def _own_kib(pid: int) -> int:
    """Return the private memory of a process in KiB, without shared memory such as code and PostgreSQL's buffers."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))


def memory() -> None:
    used = {}
    for group_count in (FEW, GROUPS):
        Group.objects.update(robot_is_in=False)
        Group.objects.filter(code__lt=f"g-{group_count:06}" if group_count < GROUPS else "h").update(
            robot_is_in=True
        )
        tidy()
        used[group_count] = memory_of(next_day())
        report(
            f"    {group_count:7,} groups: {used[group_count] / 1024:.1f} MiB (worker and its PostgreSQL process)"
        )
    must_reach("memory for 10,000 groups against 100,000", [used[FEW] / used[GROUPS]], at_least=1 / 1.2)


def main() -> None:
    make_world()
    store_known_values()
    tidy()
    report(f"    {GROUPS:,} groups, {LedgerEntry.objects.count():,} entries a day")
    what = "a settlement of 100,000 groups against the same writes, with all values known"
    compare(what, ours=settle, floor=write_known_values, prepare=tidy, at_least=0.6)
    against_a_loop()
    memory()


if __name__ == "__main__":
    run(main)
