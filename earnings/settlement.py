"""The nightly settlement: each earning group pays its owner, the owner's inviter and the grand-inviter for one day.

`settle_day` settles one day in these steps, all in one database transaction:

1. Take the lock of settlements: two concurrent ones would count up from the same number of paid days.
2. Insert the `SettlementDay`; if it exists, the day is settled already and nothing happens.
3. Lock the groups that may earn, in primary-key order.
4. Calculate each group's income as of the day's due moment into the temporary table `settlement_lines`.
5. Insert `GroupDay`s and count the paid days (`PaidDays`) of the groups.
6. Sum per user, round down to a cent, and post one ledger transaction (earnings.crediting).
7. Store the totals in the `SettlementDay`.

A process killed at any step leaves nothing: the day is missing and `settle_missed` settles it at the next hourly run.
`preview` and `preview_change` run step 4 and the sums only.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Max

from accounts.blocking import BLOCKED_USERS
from config.errors import BadRequest
from config.platform import db
from config.platform.dates import day_of, end_of, start_of
from config.platform.locks import take_lock
from earnings import crediting
from earnings.due import INVITERS, JOIN_INVITER, due_at
from earnings.models import EarningsRules, IncomeType, SettlementDay, TransactionKind

LEGACY_MEMBERS = 50
CATCH_UP_PERIOD = timedelta(days=31)  # older missed days are settled by the command `settle --date`


class DayNotOver(BadRequest):
    message = "只能结算已经结束的日期"


@dataclass
class SettlementResult:
    """The amounts that a settlement paid, or would pay, in yuan."""

    day: date
    is_new: bool
    group_count: int = 0
    owner_total: Decimal = Decimal(0)
    referral_total: Decimal = Decimal(0)
    bonus_total: Decimal = Decimal(0)
    to_come: Decimal = Decimal(0)  # income of these groups, this day included, until their paid days are used up
    # star (None: an old group), number of groups, yuan before rounding down
    per_star: list[tuple[int | None, int, Decimal]] = field(default_factory=list)
    largest: list[tuple[str, Decimal]] = field(default_factory=list)  # nickname, yuan

    @property
    def total(self) -> Decimal:
        return self.owner_total + self.referral_total + self.bonus_total


# Groups are locked in primary-key order, as in the rating and cancelling of groups.
_LOCK_GROUPS = """
SELECT count(*) FROM (
    SELECT 1 FROM groups_group g WHERE (g.star IS NOT NULL OR g.is_legacy)
        AND (g.cancelled_at IS NULL OR g.cancelled_at > %(due)s) ORDER BY g.id FOR NO KEY UPDATE
) locked
"""
# The income of each earning group for the day, before rounding down. `inviter_profit` and `grand_inviter_profit` are
# shares of the plain profit without the bonus; for old groups, of the lower base amount.
# A day settled late is paid as it would have been in its own night (docs/decisions/0004): columns with a history are
# taken as of `due`, the star as of the end of the day. A star without any rating was imported with the group.
_CALCULATE = f"""
CREATE TEMPORARY TABLE settlement_lines ON COMMIT DROP AS
WITH blocked AS MATERIALIZED ({BLOCKED_USERS}), earning_group AS (
    SELECT g.id, g.code, g.star, g.user_id, coalesce(d.day_count, 0) AS paid_days, g.bound_at, g.cancelled_at, g.is_legacy,
           g.member_count, g.repeat_rate, g.wechat_owner_code <> '' AND g.wechat_owner_code = u.code AS is_owned,
           {INVITERS}
    FROM groups_group g
    JOIN accounts_user u ON u.id = g.user_id
    LEFT JOIN groups_paiddays d ON d.group_id = g.id
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
    )) END AS day_star
    FROM earning_group c LEFT JOIN rated_since r ON r.group_id = c.id
), plan AS (
    SELECT DISTINCT ON (star) * FROM groups_starplan
    WHERE valid_from <= %(day)s AND (valid_to IS NULL OR valid_to >= %(day)s) ORDER BY star, valid_from DESC
)
SELECT g.id AS group_id, g.code, g.bound_at, g.cancelled_at IS NOT NULL AS is_cancelled, g.day_star AS star, g.user_id,
       g.inviter_id, g.grand_inviter_id, p.daily_profit AS profit, p.activity_bonus AS bonus,
       p.daily_profit * %(inviter_share)s AS inviter_profit,
       p.daily_profit * %(grand_inviter_share)s AS grand_inviter_profit,
       p.income_days - g.paid_days AS days_left
FROM starred g JOIN plan p ON p.star = g.day_star AND g.paid_days < p.income_days
UNION ALL
SELECT g.id, g.code, g.bound_at, g.cancelled_at IS NOT NULL, NULL, g.user_id, g.inviter_id, g.grand_inviter_id,
       (CASE WHEN g.is_owned THEN %(legacy_owned)s ELSE %(legacy)s END) * (1 - g.repeat_rate), 0,
       %(legacy)s * (1 - g.repeat_rate),
       %(legacy)s * (1 - g.repeat_rate) * %(legacy_grand_share)s,
       NULL
FROM starred g
WHERE g.is_legacy AND g.day_star IS NULL AND g.member_count >= %(legacy_members)s AND g.repeat_rate IS NOT NULL
"""  # noqa: S608 - our own SQL
_INCOME = """
CREATE OR REPLACE TEMPORARY VIEW income AS
SELECT user_id, %(income_groups)s AS income_type, sum(profit) AS amount FROM settlement_lines GROUP BY user_id
UNION ALL SELECT user_id, %(income_other)s, sum(bonus) FROM settlement_lines WHERE bonus > 0 GROUP BY user_id
UNION ALL SELECT inviter_id, %(income_apprentices)s, sum(inviter_profit) FROM settlement_lines
    WHERE inviter_id IS NOT NULL GROUP BY inviter_id
UNION ALL SELECT grand_inviter_id, %(income_apprentices)s, sum(grand_inviter_profit) FROM settlement_lines
    WHERE grand_inviter_id IS NOT NULL GROUP BY grand_inviter_id
"""
_INSERT_GROUP_DAYS = """
INSERT INTO earnings_groupday (group_id, day, star, profit, bonus)
SELECT group_id, %(day)s, star, profit, bonus FROM settlement_lines
"""
# Only days with a star are limited and counted: an old group keeps all paid days for a star that it gets later.
_COUNT_DAYS = """
INSERT INTO groups_paiddays AS p (group_id, day_count)
SELECT group_id, 1 FROM settlement_lines WHERE star IS NOT NULL
ON CONFLICT (group_id) DO UPDATE SET day_count = p.day_count + 1
"""
# When a group was bound again before its earlier binding was paid, the paid day counts for both bindings.
_COUNT_IN_LATER_BINDINGS = """
INSERT INTO groups_paiddays AS p (group_id, day_count)
SELECT DISTINCT g.id, 1
FROM settlement_lines s JOIN groups_group g ON g.code = s.code AND g.bound_at > s.bound_at AND g.id <> s.group_id
WHERE s.star IS NOT NULL AND s.is_cancelled
ON CONFLICT (group_id) DO UPDATE SET day_count = p.day_count + 1
"""
_PER_STAR = (
    "SELECT star, count(*), sum(profit + bonus) FROM settlement_lines GROUP BY star ORDER BY star NULLS LAST"
)
_TO_COME = "SELECT coalesce(sum(days_left * (profit + bonus)), 0) FROM settlement_lines"


def settle_day(day: date, *, at: datetime) -> SettlementResult:
    """Settle one past day. A day that is settled already is left unchanged. Raises DayNotOver."""
    if day >= day_of(at):
        raise DayNotOver
    with transaction.atomic():
        take_lock("earnings_settlement")
        if not _claim_day(day, at):
            return SettlementResult(day, is_new=False)
        return _pay(day, at)


def preview(day: date, *, at: datetime) -> SettlementResult:
    """Return the amounts that settling that day would pay, without writing or locking. A settled day pays nothing."""
    if day >= day_of(at):
        raise DayNotOver
    if SettlementDay.objects.filter(day=day).exists():
        return SettlementResult(day, is_new=False)
    with transaction.atomic():
        return _calculate_result(day, at)


def preview_change(
    day: date, change: Callable[[], object], *, at: datetime
) -> tuple[SettlementResult, SettlementResult]:
    """Return the amounts of that day without and with `change`. The writes of `change` are rolled back."""
    with transaction.atomic():
        before = _calculate_result(day, at)
        change()
        after = _calculate_result(day, at)
        transaction.set_rollback(True)
    return before, after


def _claim_day(day: date, at: datetime) -> bool:
    """Insert the row of this day. Returns False when it exists."""
    inserted = db.execute(
        "INSERT INTO earnings_settlementday (day, settled_at, group_count, owner_total, referral_total, bonus_total)"
        " VALUES (%s, %s, 0, 0, 0, 0) ON CONFLICT (day) DO NOTHING",
        [day, at],
    )
    return bool(inserted)


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


def _calculate(params: dict[str, Any]) -> None:
    """Calculate the exact income of that day into temporary tables. Changes no other table."""
    # The tables may be left from an earlier calculation in this transaction.
    db.execute("DROP TABLE IF EXISTS settlement_lines, read_lines CASCADE")
    db.execute(_CALCULATE, params)
    db.execute("ANALYZE settlement_lines")  # otherwise the planner assumes a small table
    db.execute(_INCOME, db.enum_params(income=IncomeType))


def _pay(day: date, at: datetime) -> SettlementResult:
    params = _params(day, at)
    db.execute(_LOCK_GROUPS, params)
    _calculate(params)
    for statement in (_INSERT_GROUP_DAYS, _COUNT_DAYS, _COUNT_IN_LATER_BINDINGS):
        db.execute(statement, params)
    crediting.calculate_credits()
    crediting.post_credits(kind=TransactionKind.SETTLEMENT, idempotency_key=f"settlement:{day}", day=day, at=at)
    result = _result(day)
    SettlementDay.objects.filter(day=day).update(
        group_count=result.group_count,
        owner_total=result.owner_total,
        referral_total=result.referral_total,
        bonus_total=result.bonus_total,
    )
    return result


def _calculate_result(day: date, at: datetime) -> SettlementResult:
    _calculate(_params(day, at))
    crediting.calculate_credits()
    return _result(day)


def _result(day: date) -> SettlementResult:
    totals = crediting.totals_by_type()
    per_star = db.rows(_PER_STAR)
    [(to_come,)] = db.rows(_TO_COME)
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
    """Settle all missed days up to yesterday, in order. Returns the results of the days settled by this call."""
    results = (settle_day(day, at=at) for day in missed_days(at=at))
    return [result for result in results if result.is_new]


def missed_days(*, at: datetime) -> list[date]:
    """Return the unsettled days since the last settled day or within 31 days, but none before the rules' `settle_from`."""
    yesterday = day_of(at) - timedelta(days=1)
    first = yesterday - CATCH_UP_PERIOD
    if last := SettlementDay.objects.aggregate(last=Max("day"))["last"]:
        first = min(first, last + timedelta(days=1))
    first = max(first, EarningsRules.current().settle_from)
    days = [first + timedelta(days=step) for step in range((yesterday - first).days + 1)]
    settled = set(SettlementDay.objects.filter(day__range=(first, yesterday)).values_list("day", flat=True))
    return [day for day in days if day not in settled]
