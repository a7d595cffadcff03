"""The nightly settlement: every group that earns is paid its day, and so are the two above its owner.

One transaction a day, set-based: a day is settled whole or not at all, and once. Days are settled one after the other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from accounts.blocking import BLOCKED_USERS
from config.errors import BadRequest
from config.platform.dates import day_of, end_of, start_of
from earnings import crediting
from earnings.due import INVITERS, JOIN_INVITER, due_at
from earnings.models import EarningsRules, IncomeType, SettlementDay, TransactionKind

LEGACY_MEMBERS = 50
CATCH_UP_PERIOD = timedelta(days=31)  # how far back a day left out is looked for; older ones are settled by hand


class DayNotOver(BadRequest):
    message = "只能结算已经结束的日期"


@dataclass
class SettlementResult:
    """What a settlement paid, or would pay, in yuan."""

    day: date
    is_new: bool
    group_count: int = 0
    owner_total: Decimal = Decimal(0)
    referral_total: Decimal = Decimal(0)
    bonus_total: Decimal = Decimal(0)
    to_come: Decimal = Decimal(0)  # what these groups get, this day included, until their days are used up
    # star (none: an old group), groups, yuan before flooring
    per_star: list[tuple[int | None, int, Decimal]] = field(default_factory=list)
    largest: list[tuple[str, Decimal]] = field(default_factory=list)  # nickname, yuan

    @property
    def total(self) -> Decimal:
        return self.owner_total + self.referral_total + self.bonus_total


# Days are settled one at a time (two at once would both count up from the same number of paid days), and what may
# earn is locked in primary-key order, as whoever rates or cancels groups does.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('earnings_settlement'))"
_LOCK_GROUPS = """
SELECT count(*) FROM (
    SELECT 1 FROM groups_group g WHERE (g.star IS NOT NULL OR g.is_legacy)
        AND (g.cancelled_at IS NULL OR g.cancelled_at > %(due)s) ORDER BY g.id FOR NO KEY UPDATE
) locked
"""
# Each earning group's day, before flooring. `inviter_profit` is what the shares above are taken from: the
# plain profit, without the bonus, and for old groups the lower form.
# A day settled late is paid as in its own night (docs/decisions/0004): what has a history is taken as it was at `due`,
# the star as it was when the day ended. A group whose star has no rating at all was imported with it.
_CALCULATE = f"""
CREATE TEMPORARY TABLE settling ON COMMIT DROP AS
WITH blocked AS MATERIALIZED ({BLOCKED_USERS}), candidate AS (
    SELECT g.id, g.code, g.star, g.user_id, g.settle_count, g.bound_at, g.cancelled_at, g.is_legacy, g.member_count,
           g.repeat_rate, g.wechat_owner_code <> '' AND g.wechat_owner_code = u.code AS is_owned,
           {INVITERS}
    FROM groups_group g
    JOIN accounts_user u ON u.id = g.user_id
    {JOIN_INVITER}
    WHERE (g.star IS NOT NULL OR g.is_legacy) AND u.id NOT IN (TABLE blocked) AND g.bound_at < %(day_start)s
        AND ((g.cancelled_at IS NULL AND g.robot_is_in) OR g.cancelled_at > %(due)s)
), rated_since AS (
    SELECT DISTINCT group_id FROM groups_starrating WHERE rated_at >= %(day_end)s
), starred AS (
    SELECT c.*, CASE WHEN r.group_id IS NULL THEN c.star ELSE coalesce((
        SELECT s.star FROM groups_starrating s WHERE s.group_id = c.id AND s.rated_at < %(day_end)s
        ORDER BY s.id DESC LIMIT 1
    ), (
        SELECT s.star FROM groups_starrating s WHERE s.group_id = c.id AND s.rated_at <= %(due)s ORDER BY s.id LIMIT 1
    )) END AS star_then
    FROM candidate c LEFT JOIN rated_since r ON r.group_id = c.id
), plan AS (
    SELECT DISTINCT ON (star) * FROM groups_starplan
    WHERE valid_from <= %(day)s AND (valid_to IS NULL OR valid_to >= %(day)s) ORDER BY star, valid_from DESC
)
SELECT g.id AS group_id, g.code, g.bound_at, g.cancelled_at IS NOT NULL AS is_gone, g.star_then AS star, g.user_id,
       g.inviter_id, g.grand_inviter_id, p.daily_profit AS profit, p.activity_bonus AS bonus,
       p.daily_profit * %(inviter_share)s AS inviter_profit,
       p.daily_profit * %(grand_inviter_share)s AS grand_inviter_profit,
       p.income_days - g.settle_count AS days_left
FROM starred g JOIN plan p ON p.star = g.star_then AND g.settle_count < p.income_days
UNION ALL
SELECT g.id, g.code, g.bound_at, g.cancelled_at IS NOT NULL, NULL, g.user_id, g.inviter_id, g.grand_inviter_id,
       (CASE WHEN g.is_owned THEN %(legacy_owned)s ELSE %(legacy)s END) * (1 - g.repeat_rate), 0,
       %(legacy)s * (1 - g.repeat_rate),
       %(legacy)s * (1 - g.repeat_rate) * %(legacy_grand_share)s,
       NULL
FROM starred g
WHERE g.is_legacy AND g.star_then IS NULL AND g.member_count >= %(legacy_members)s AND g.repeat_rate IS NOT NULL
"""  # noqa: S608 - our own SQL
_INCOME = """
CREATE OR REPLACE TEMPORARY VIEW income AS
SELECT user_id, 0 AS slip_type, sum(profit) AS amount FROM settling GROUP BY user_id
UNION ALL SELECT user_id, 4, sum(bonus) FROM settling WHERE bonus > 0 GROUP BY user_id
UNION ALL SELECT inviter_id, 2, sum(inviter_profit) FROM settling WHERE inviter_id IS NOT NULL GROUP BY inviter_id
UNION ALL SELECT grand_inviter_id, 2, sum(grand_inviter_profit) FROM settling
    WHERE grand_inviter_id IS NOT NULL GROUP BY grand_inviter_id
"""
_INSERT_GROUP_DAYS = """
INSERT INTO earnings_groupday (group_id, day, star, profit, bonus)
SELECT group_id, %(day)s, star, profit, bonus FROM settling
"""
# Only the days of a star are limited: an old group's nights take nothing from the star that it may get later.
_COUNT_DAYS = """
UPDATE groups_group g SET settle_count = g.settle_count + 1 FROM settling s
WHERE s.star IS NOT NULL AND g.id = s.group_id
"""
# A group that was bound again before its earlier life was paid has its paid days counted on both.
_COUNT_IN_LATER_BINDINGS = """
UPDATE groups_group g SET settle_count = g.settle_count + 1
FROM settling s WHERE s.star IS NOT NULL AND s.is_gone AND g.code = s.code AND g.bound_at > s.bound_at AND g.id <> s.group_id
"""
_PER_STAR = "SELECT star, count(*), sum(profit + bonus) FROM settling GROUP BY star ORDER BY star NULLS LAST"
_TO_COME = "SELECT coalesce(sum(days_left * (profit + bonus)), 0) FROM settling"


def settle_day(day: date, *, at: datetime) -> SettlementResult:
    """Pay one day that is over. A day that is settled already, here or by somebody else meanwhile, stays as it is."""
    if day >= day_of(at):
        raise DayNotOver
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_ONE_AT_A_TIME)
        if not _claim_day(day, at):
            return SettlementResult(day, is_new=False)
        return _pay(day, at)


def preview(day: date, *, at: datetime) -> SettlementResult:
    """What settling that day now would pay; nothing is written or locked. A settled day pays nothing more."""
    if day >= day_of(at):
        raise DayNotOver
    if SettlementDay.objects.filter(day=day).exists():
        return SettlementResult(day, is_new=False)
    with transaction.atomic():
        return _calculate_result(day, at)


def preview_change(
    day: date, change: Callable[[], object], *, at: datetime
) -> tuple[SettlementResult, SettlementResult]:
    """Return what that day would pay as things stand, and after `change`, were nothing else to change.

    What `change` writes is undone.
    """
    with transaction.atomic():
        before = _calculate_result(day, at)
        change()
        after = _calculate_result(day, at)
        transaction.set_rollback(True)
    return before, after


def _claim_day(day: date, at: datetime) -> bool:
    """Whether this day is ours to settle."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO earnings_settlementday (day, settled_at, group_count, owner_total, referral_total, bonus_total)"
            " VALUES (%s, %s, 0, 0, 0, 0) ON CONFLICT (day) DO NOTHING",
            [day, at],
        )
        return bool(cursor.rowcount)


def _params(day: date, at: datetime) -> dict[str, Any]:
    rules = EarningsRules.current()
    return {
        "day": day,
        "day_start": start_of(day),
        "day_end": end_of(day),
        "due": due_at(day, at=at),
        "inviter_share": rules.inviter_share,
        "grand_inviter_share": rules.grand_inviter_share,
        "legacy": rules.legacy_profit,
        "legacy_owned": rules.legacy_profit_owned,
        "legacy_grand_share": rules.legacy_grand_inviter_share,
        "legacy_members": LEGACY_MEMBERS,
    }


def _calculate(cursor: Any, words: dict[str, Any]) -> None:
    """Who earns what on that day, exact; nothing is changed by it."""
    cursor.execute(
        "DROP TABLE IF EXISTS settling, reading CASCADE"
    )  # of what was laid out before in this transaction
    cursor.execute(_CALCULATE, words)
    cursor.execute("ANALYZE settling")  # or the planner takes it for a small table
    cursor.execute(_INCOME)


def _pay(day: date, at: datetime) -> SettlementResult:
    words = _params(day, at)
    with connection.cursor() as cursor:
        cursor.execute(_LOCK_GROUPS, words)
        _calculate(cursor, words)
        for statement in (_INSERT_GROUP_DAYS, _COUNT_DAYS, _COUNT_IN_LATER_BINDINGS):
            cursor.execute(statement, words)
    crediting.calculate_credits()
    crediting.post_credits(kind=TransactionKind.SETTLEMENT, cause=f"settlement:{day}", day=day, at=at)
    result = _result(day)
    SettlementDay.objects.filter(day=day).update(
        group_count=result.group_count,
        owner_total=result.owner_total,
        referral_total=result.referral_total,
        bonus_total=result.bonus_total,
    )
    return result


def _calculate_result(day: date, at: datetime) -> SettlementResult:
    with connection.cursor() as cursor:
        _calculate(cursor, _params(day, at))
    crediting.calculate_credits()
    return _result(day)


def _result(day: date) -> SettlementResult:
    totals = crediting.totals_by_type()
    with connection.cursor() as cursor:
        cursor.execute(_PER_STAR)
        per_star = cursor.fetchall()
        cursor.execute(_TO_COME)
        [to_come] = cursor.fetchone()
    return SettlementResult(
        day=day,
        is_new=True,
        group_count=sum(row[1] for row in per_star),
        owner_total=totals.get(IncomeType.GROUPS, Decimal(0)),
        referral_total=totals.get(IncomeType.APPRENTICES, Decimal(0)),
        bonus_total=totals.get(IncomeType.OTHER, Decimal(0)),
        to_come=to_come,
        per_star=per_star,
        largest=crediting.largest_credits(),
    )


def settle_missed(*, at: datetime) -> list[SettlementResult]:
    """Settle every day up to yesterday that was not, in order; those that were settled by somebody meanwhile stay."""
    results = (settle_day(day, at=at) for day in missed_days(at=at))
    return [result for result in results if result.is_new]


def missed_days(*, at: datetime) -> list[date]:
    """What was left out since the last settled day or in the month before; nothing before the rules' `settle_from`."""
    yesterday = day_of(at) - timedelta(days=1)
    first = yesterday - CATCH_UP_PERIOD
    if last := SettlementDay.objects.aggregate(last=Max("day"))["last"]:
        first = min(first, last + timedelta(days=1))
    first = max(first, EarningsRules.current().settle_from)
    days = [first + timedelta(days=step) for step in range((yesterday - first).days + 1)]
    done = set(SettlementDay.objects.filter(day__range=(first, yesterday)).values_list("day", flat=True))
    return [day for day in days if day not in done]
