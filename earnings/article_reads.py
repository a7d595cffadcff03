"""Income from article reads in groups, as the BI system reports it: one report per day, all or nothing.

The owner of a group gets the reported amount; the owner's inviter and grand-inviter get a share of it. A report counts
for the binding of the group that was active on that day; without one the group is unknown. As in the nightly settlement,
groups of a blocked user earn nothing, and a blocked inviter gets no share.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.blocking import BLOCKED_USERS
from config.errors import BadRequest, Conflict
from config.platform import db
from config.platform.dates import day_of, end_of, start_of
from config.platform.lookups import as_uuid
from earnings import crediting
from earnings.due import INVITERS, JOIN_INVITER, due_at
from earnings.models import ArticleReadDay, EarningsRules, IncomeType, SettlementDay, TransactionKind


class ReadsDayNotOver(BadRequest):
    field = "settle_date"
    message = "只能是已经结束的日期"


class BeforeFirstSettledDay(BadRequest):
    field = "settle_date"
    message = "早于平台开始结算的日期"


class ReadsAlreadySettled(Conflict):
    message = "这一天的文章阅读收益已经结算过"


@dataclass
class Reads:
    """The result of a report: the amounts credited, in yuan, and the groups that were skipped."""

    day: date
    group_count: int = 0
    owner_total: Decimal = Decimal(0)
    referral_total: Decimal = Decimal(0)
    unknown: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)


_CLAIM_DAY = """
INSERT INTO earnings_articlereadday (day, settled_at, settled_by, group_count, owner_total, referral_total)
VALUES (%s, %s, %s, 0, 0, 0) ON CONFLICT (day) DO NOTHING
"""
# A group that was bound again has several bindings under one code. The binding that was active on that day counts; of two,
# the later one.
_FIND_GROUPS = f"""
CREATE TEMPORARY TABLE read_lines ON COMMIT DROP AS
WITH blocked AS MATERIALIZED ({BLOCKED_USERS})
SELECT report.reference, report.amount, binding.id AS group_id, binding.user_id, binding.user_id IN (TABLE blocked) AS is_blocked,
       {INVITERS},
       report.amount * %(inviter_share)s AS inviter_amount,
       report.amount * %(grand_inviter_share)s AS grand_inviter_amount
FROM unnest(%(references)s::text[], %(ids)s::uuid[], %(amounts)s::numeric[]) AS report(reference, id, amount)
LEFT JOIN LATERAL (
    SELECT g.id, g.user_id FROM groups_group g
    WHERE (g.code = report.reference OR g.id = report.id)
        AND g.bound_at < %(day_end)s AND (g.cancelled_at IS NULL OR g.cancelled_at >= %(day_start)s)
    ORDER BY g.bound_at DESC LIMIT 1
) binding ON TRUE
LEFT JOIN accounts_user u ON u.id = binding.user_id
{JOIN_INVITER}
"""  # noqa: S608 - our own SQL
_DUPLICATE_GROUPS = """
SELECT string_agg(reference, ', ' ORDER BY reference) FROM read_lines WHERE group_id IS NOT NULL
GROUP BY group_id HAVING count(*) > 1 LIMIT 1
"""
_SKIPPED_GROUPS = """
SELECT coalesce(array_agg(reference ORDER BY reference) FILTER (WHERE group_id IS NULL), '{}'),
       coalesce(array_agg(reference ORDER BY reference) FILTER (WHERE is_blocked), '{}') FROM read_lines
"""
_INSERT_GROUP_READS = """
INSERT INTO earnings_groupreads (group_id, day, amount)
SELECT group_id, %(day)s, amount FROM read_lines WHERE group_id IS NOT NULL AND NOT is_blocked
ORDER BY group_id
"""
_INCOME = """
CREATE OR REPLACE TEMPORARY VIEW income AS
WITH paid AS (SELECT * FROM read_lines WHERE group_id IS NOT NULL AND NOT is_blocked)
SELECT user_id, %(income_article_reads)s AS income_type, amount FROM paid
UNION ALL SELECT inviter_id, %(income_apprentices)s, inviter_amount FROM paid WHERE inviter_id IS NOT NULL
UNION ALL SELECT grand_inviter_id, %(income_apprentices)s, grand_inviter_amount FROM paid
    WHERE grand_inviter_id IS NOT NULL
"""


def settle_reads(*, day: date, amounts: Mapping[str, Decimal], by: str, at: datetime) -> Reads:
    """Credit a day's article reads. `amounts` are yuan per group code or id.

    Raises ReadsDayNotOver, BeforeFirstSettledDay, or ReadsAlreadySettled for the second report of a day.
    """
    if day >= day_of(at):
        raise ReadsDayNotOver
    rules = EarningsRules.current()
    if _is_before_first(day, rules, at):
        raise BeforeFirstSettledDay
    with transaction.atomic():
        if not _claim_day(day, by, at):
            raise ReadsAlreadySettled
        result = Reads(day)
        db.execute("DROP TABLE IF EXISTS read_lines, settlement_lines CASCADE")
        db.execute(_FIND_GROUPS, _params(day, amounts, rules, at))
        _refuse_duplicates()
        result.group_count = db.execute(_INSERT_GROUP_READS, {"day": day})
        [(result.unknown, result.blocked)] = db.rows(_SKIPPED_GROUPS)
        db.execute(_INCOME, db.enum_params(income=IncomeType))
        crediting.calculate_credits()
        crediting.post_credits(
            kind=TransactionKind.ARTICLE_READS, idempotency_key=f"article_reads:{day}", day=day, at=at, by=by
        )
        totals = crediting.totals_by_type()
        result.owner_total = totals.get(IncomeType.ARTICLE_READS, Decimal(0))
        result.referral_total = totals.get(IncomeType.APPRENTICES, Decimal(0))
        ArticleReadDay.objects.filter(day=day).update(
            group_count=result.group_count,
            owner_total=result.owner_total,
            referral_total=result.referral_total,
        )
    return result


def _is_before_first(day: date, rules: EarningsRules, at: datetime) -> bool:
    """Return whether the day is before the platform's first settled day, by the rules or by an earlier manual settlement.

    Yesterday is always accepted: the BI system reports it on the platform's first day too.
    """
    is_early = day < min(rules.settle_from, day_of(at) - timedelta(days=1))
    return is_early and not SettlementDay.objects.filter(day__lte=day).exists()


def _claim_day(day: date, by: str, at: datetime) -> bool:
    """Insert the row of this day. Returns False when it exists: of two concurrent reports, one waits and then sees it."""
    return bool(db.execute(_CLAIM_DAY, [day, at, by]))


def _params(day: date, amounts: Mapping[str, Decimal], rules: EarningsRules, at: datetime) -> dict[str, Any]:
    return {
        "references": list(amounts),
        "ids": [as_uuid(reference) for reference in amounts],
        "amounts": list(amounts.values()),
        "inviter_share": rules.reads_inviter_share,
        "grand_inviter_share": rules.reads_grand_inviter_share,
        "day_start": start_of(day),
        "day_end": end_of(day),
        "due": due_at(day, at=at),
    }


def _refuse_duplicates() -> None:
    """Raise BadRequest when a group is reported by its code and by its id, because the amounts may differ."""
    if duplicates := db.rows(_DUPLICATE_GROUPS):
        raise BadRequest(f"同一个群写了两次：{duplicates[0][0]}，整批未生效", field="data")
