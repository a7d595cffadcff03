"""Crediting many people at once: what they earned is summed per person and kind, floored to a cent, posted as one.

The caller lays out the parts as a temporary view `income` (user_id, slip_type, amount in yuan, exact).
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection

from earnings.models import TransactionKind

_SUM_AND_FLOOR = """
CREATE TEMPORARY TABLE crediting ON COMMIT DROP AS
SELECT user_id, slip_type, floor(sum(amount) * 100) / 100 AS amount FROM income
GROUP BY user_id, slip_type HAVING floor(sum(amount) * 100) > 0
"""
# In one order, so that two that open the same accounts wait for each other and never in a circle.
_OPEN_ACCOUNTS = """
INSERT INTO earnings_account (id, kind, user_id, available, withdrawing, earned, opened_at)
SELECT gen_random_uuid(), 'user', c.user_id, 0, 0, 0, %(at)s
FROM (SELECT DISTINCT user_id FROM crediting) c
WHERE NOT EXISTS (SELECT 1 FROM earnings_account a WHERE a.user_id = c.user_id)
ORDER BY c.user_id ON CONFLICT (user_id) DO NOTHING
"""
_POST = """
WITH posted AS (
    INSERT INTO earnings_ledgertransaction (id, kind, cause, day, posted_at, posted_by, reason)
    SELECT gen_random_uuid(), %(kind)s, %(cause)s, %(day)s, %(at)s, %(by)s, ''
    WHERE EXISTS (SELECT 1 FROM crediting) RETURNING id
)
INSERT INTO earnings_ledgerentry (transaction_id, account_id, bucket, amount, slip_type, day)
SELECT posted.id, a.id, 'available', c.amount, c.slip_type, %(day)s::date
FROM crediting c JOIN earnings_account a ON a.user_id = c.user_id CROSS JOIN posted
UNION ALL
SELECT posted.id, house.id, 'available', -(SELECT sum(amount) FROM crediting), NULL, %(day)s::date
FROM posted CROSS JOIN earnings_account house WHERE house.kind = 'rewards'
"""
_TOTALS = "SELECT slip_type, sum(amount) FROM crediting GROUP BY slip_type"
_LARGEST = """
SELECT coalesce(nullif(u.nickname, ''), u.id::text), sum(c.amount) FROM crediting c
JOIN accounts_user u ON u.id = c.user_id GROUP BY u.id ORDER BY 2 DESC, u.id LIMIT 10
"""


def calculate_credits() -> None:
    """Sum what is in `income` per person and kind and floor it, inside the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS crediting")  # of what was summed up before in this transaction
        cursor.execute(_SUM_AND_FLOOR)
        cursor.execute("ANALYZE crediting")  # or the planner takes it for a small table


def post_credits(*, kind: TransactionKind, cause: str, day: date, at: datetime, by: str = "") -> None:
    """Credit everybody with what was summed up; nothing is posted when nobody earned a cent.

    IntegrityError when the cause has moved money before.
    """
    words: dict[str, Any] = {"kind": kind.value, "cause": cause, "day": day, "at": at, "by": by}
    with connection.cursor() as cursor:
        for statement in (_OPEN_ACCOUNTS, _POST):
            cursor.execute(statement, words)


def totals_by_type() -> dict[int, Decimal]:
    """Slip type → yuan, of what was summed up."""
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS)
        return dict(cursor.fetchall())


def largest_credits() -> list[tuple[str, Decimal]]:
    """The ten who are credited most, by nickname, in yuan."""
    with connection.cursor() as cursor:
        cursor.execute(_LARGEST)
        return cursor.fetchall()
