"""The nightly settlement: every group that earns is paid its day, and so are the two above its owner.

One transaction a day, set-based: a day is settled whole or not at all, and once.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Min

from config.clock import day_of, start_of
from config.errors import BadRequest
from earnings.crediting import credit, largest
from earnings.models import EarningsRules, SettlementDay, SlipType, TransactionKind
from groups.models import Group

LEGACY_MEMBERS = 50


class DayNotOver(BadRequest):
    message = "只能结算已经结束的日期"


class _DryRun(Exception):  # noqa: N818 - control flow, not an error
    """Takes back everything a dry run did."""


@dataclass
class Result:
    """What a settlement paid, or would pay."""

    day: date
    is_new: bool
    group_count: int = 0
    owner_total: Decimal = Decimal(0)
    referral_total: Decimal = Decimal(0)
    bonus_total: Decimal = Decimal(0)
    per_star: list[tuple[int | None, int, Decimal]] = field(
        default_factory=list
    )  # star, groups, yuan before flooring
    largest: list[tuple[str, Decimal]] = field(default_factory=list)  # nickname, yuan


# Each earning group's day, before flooring. `inviter_profit` is what the shares above are taken from: the
# plain profit, without the bonus, and for old groups the lower form.
_PAY_GROUPS = """
CREATE TEMPORARY TABLE settling ON COMMIT DROP AS
SELECT g.id AS group_id, g.star, g.user_id, m.id AS inviter_id, m.inviter_id AS grand_inviter_id,
       p.daily_profit AS profit, p.activity_bonus AS bonus,
       p.daily_profit * %(inviter_share)s AS inviter_profit,
       p.daily_profit * %(grand_inviter_share)s AS grand_inviter_profit
FROM groups_group g
JOIN accounts_user u ON u.id = g.user_id
LEFT JOIN accounts_user m ON m.id = u.inviter_id
JOIN LATERAL (
    SELECT * FROM groups_starplan p WHERE p.star = g.star AND p.valid_from <= %(day)s
        AND (p.valid_to IS NULL OR p.valid_to >= %(day)s) ORDER BY p.valid_from DESC LIMIT 1
) p ON g.settle_count < p.income_days
WHERE g.cancelled_at IS NULL AND g.robot_is_in AND u.blocked_at IS NULL AND g.bound_at < %(day_start)s
UNION ALL
SELECT g.id, NULL, g.user_id, m.id, m.inviter_id,
       (CASE WHEN g.wechat_owner_code <> '' AND g.wechat_owner_code = u.code THEN %(legacy_owned)s ELSE %(legacy)s END)
           * (1 - g.repeat_rate),
       0,
       %(legacy)s * (1 - g.repeat_rate),
       %(legacy)s * (1 - g.repeat_rate) * %(legacy_grand_share)s
FROM groups_group g
JOIN accounts_user u ON u.id = g.user_id
LEFT JOIN accounts_user m ON m.id = u.inviter_id
WHERE g.cancelled_at IS NULL AND g.robot_is_in AND u.blocked_at IS NULL AND g.bound_at < %(day_start)s
  AND g.is_legacy AND g.star IS NULL AND g.member_count >= %(legacy_members)s AND g.repeat_rate IS NOT NULL
"""
_KEEP_DAYS = """
INSERT INTO earnings_groupday (group_id, day, star, profit, bonus)
SELECT group_id, %(day)s, star, profit, bonus FROM settling
"""
_COUNT_DAYS = """
UPDATE groups_group g SET settle_count = g.settle_count + 1 FROM settling s WHERE g.id = s.group_id
"""
_INCOME = """
CREATE OR REPLACE TEMPORARY VIEW income AS
SELECT user_id, 0 AS slip_type, profit AS amount FROM settling
UNION ALL SELECT user_id, 4, bonus FROM settling WHERE bonus > 0
UNION ALL SELECT inviter_id, 2, inviter_profit FROM settling WHERE inviter_id IS NOT NULL
UNION ALL SELECT grand_inviter_id, 2, grand_inviter_profit FROM settling WHERE grand_inviter_id IS NOT NULL
"""
_PER_STAR = "SELECT star, count(*), sum(profit + bonus) FROM settling GROUP BY star ORDER BY star NULLS LAST"


def settle_day(day: date, *, at: datetime) -> Result:
    """Pay one day that is over. A day that is settled already, here or by somebody else meanwhile, stays as it is."""
    if day >= day_of(at):
        raise DayNotOver
    with transaction.atomic():
        if not _take(day, at):
            return Result(day, is_new=False)
        return _pay(day, at)


def preview(day: date, *, at: datetime) -> Result:
    """What settling that day now would pay; nothing is kept. A day that is settled already pays nothing more."""
    with _taken_back() as keep, transaction.atomic():
        keep.append(settle_day(day, at=at))
        raise _DryRun
    return keep[0]


@contextmanager
def _taken_back() -> Iterator[list[Result]]:
    try:
        yield []
    except _DryRun:
        return


def _take(day: date, at: datetime) -> bool:
    """Whether this day is ours to settle: of two at once one inserts the row, the other waits and sees it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO earnings_settlementday (day, settled_at, group_count, owner_total, referral_total, bonus_total)"
            " VALUES (%s, %s, 0, 0, 0, 0) ON CONFLICT (day) DO NOTHING",
            [day, at],
        )
        return bool(cursor.rowcount)


def _words(day: date, at: datetime) -> dict[str, Any]:
    rules = EarningsRules.current()
    return {
        "day": day,
        "at": at,
        "day_start": start_of(day),
        "inviter_share": rules.inviter_share,
        "grand_inviter_share": rules.grand_inviter_share,
        "legacy": rules.legacy_profit,
        "legacy_owned": rules.legacy_profit_owned,
        "legacy_grand_share": rules.legacy_grand_inviter_share,
        "legacy_members": LEGACY_MEMBERS,
    }


def _pay(day: date, at: datetime) -> Result:
    words = _words(day, at)
    with connection.cursor() as cursor:
        cursor.execute(
            "DROP TABLE IF EXISTS settling, reading CASCADE"
        )  # of a day settled before in this transaction
        for statement in (_PAY_GROUPS, _KEEP_DAYS, _COUNT_DAYS, _INCOME):
            cursor.execute(statement, words)
        cursor.execute(_PER_STAR)
        per_star = cursor.fetchall()
    totals = credit(kind=TransactionKind.SETTLEMENT, cause=f"settlement:{day}", day=day, at=at)
    result = Result(
        day=day,
        is_new=True,
        group_count=sum(row[1] for row in per_star),
        owner_total=totals.get(SlipType.GROUPS, Decimal(0)),
        referral_total=totals.get(SlipType.APPRENTICES, Decimal(0)),
        bonus_total=totals.get(SlipType.OTHER, Decimal(0)),
        per_star=per_star,
        largest=largest(),
    )
    _keep_totals(result)
    return result


def _keep_totals(result: Result) -> None:
    SettlementDay.objects.filter(day=result.day).update(
        group_count=result.group_count,
        owner_total=result.owner_total,
        referral_total=result.referral_total,
        bonus_total=result.bonus_total,
    )


def settle_missed(*, at: datetime) -> list[Result]:
    """Settle every day since the last settled one (or the first bound group) up to yesterday, in order."""
    yesterday = day_of(at) - timedelta(days=1)
    last = SettlementDay.objects.aggregate(last=Max("day"))["last"]
    if last is None:
        first_bound = Group.objects.aggregate(first=Min("bound_at"))["first"]
        last = day_of(first_bound) if first_bound else yesterday - timedelta(days=1)
    missed = (yesterday - last).days
    return [settle_day(last + timedelta(days=step), at=at) for step in range(1, missed + 1)]
