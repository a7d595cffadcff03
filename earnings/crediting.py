"""Crediting of many users in one ledger transaction: amounts are summed per user and income type, then rounded down.

The caller provides the exact amounts as a temporary view `income` (user_id, income_type, amount in yuan).
"""

from datetime import date, datetime
from decimal import Decimal

from config.platform import db
from earnings.models import Account, Bucket, TransactionKind

_CONSTANTS = db.enum_params(account=Account.Kind, bucket=Bucket)
_SUM_AND_FLOOR = """
CREATE TEMPORARY TABLE credits ON COMMIT DROP AS
SELECT user_id, income_type, floor(sum(amount) * 100) / 100 AS amount FROM income
GROUP BY user_id, income_type HAVING floor(sum(amount) * 100) > 0
"""
# Rows are inserted in the order of user_id, so that two transactions that open the same accounts cannot deadlock.
_OPEN_ACCOUNTS = """
INSERT INTO earnings_account (id, kind, user_id, available, withdrawing, earned, opened_at)
SELECT gen_random_uuid(), %(account_user)s, c.user_id, 0, 0, 0, %(at)s
FROM (SELECT DISTINCT user_id FROM credits) c
WHERE NOT EXISTS (SELECT 1 FROM earnings_account a WHERE a.user_id = c.user_id)
ORDER BY c.user_id ON CONFLICT (user_id) DO NOTHING
"""
_POST = """
WITH posted AS (
    INSERT INTO earnings_ledgertransaction (id, kind, idempotency_key, day, posted_at, posted_by, reason)
    SELECT gen_random_uuid(), %(kind)s, %(idempotency_key)s, %(day)s, %(at)s, %(by)s, ''
    WHERE EXISTS (SELECT 1 FROM credits) RETURNING id
)
INSERT INTO earnings_ledgerentry (transaction_id, account_id, bucket, amount, income_type, day)
SELECT posted.id, a.id, %(bucket_available)s, c.amount, c.income_type, %(day)s::date
FROM credits c JOIN earnings_account a ON a.user_id = c.user_id CROSS JOIN posted
UNION ALL
SELECT posted.id, rewards.id, %(bucket_available)s, -(SELECT sum(amount) FROM credits), NULL, %(day)s::date
FROM posted CROSS JOIN earnings_account rewards WHERE rewards.kind = %(account_rewards)s
"""
_TOTALS = "SELECT income_type, sum(amount) FROM credits GROUP BY income_type"
_LARGEST = """
SELECT coalesce(nullif(u.nickname, ''), u.id::text), sum(c.amount) FROM credits c
JOIN accounts_user u ON u.id = c.user_id GROUP BY u.id ORDER BY 2 DESC, u.id LIMIT 10
"""


def calculate_credits() -> None:
    """Sum `income` per user and income type and round down to a cent, inside the caller's transaction."""
    db.execute("DROP TABLE IF EXISTS credits")  # left by an earlier calculation in this transaction
    db.execute(_SUM_AND_FLOOR)
    db.execute("ANALYZE credits")  # otherwise the planner assumes a small table


def post_credits(*, kind: TransactionKind, idempotency_key: str, day: date, at: datetime, by: str = "") -> None:
    """Post the calculated credits as one transaction. Posts nothing when nobody earned a cent.

    Raises IntegrityError when a transaction has this key already.
    """
    params = {**_CONSTANTS, "kind": kind.value, "idempotency_key": idempotency_key, "day": day, "at": at, "by": by}
    for statement in (_OPEN_ACCOUNTS, _POST):
        db.execute(statement, params)


def totals_by_type() -> dict[int, Decimal]:
    """Return the calculated credits as {income type: yuan}."""
    return dict(db.rows(_TOTALS))


def largest_credits() -> list[tuple[str, Decimal]]:
    """Return (nickname, yuan) of the ten users with the largest credits."""
    return db.rows(_LARGEST)
