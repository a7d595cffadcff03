"""Daily check of the ledger: all totals are recomputed from the entries and compared."""

from datetime import datetime, timedelta

from config.platform import db
from earnings.models import Account, Bucket, LedgerCheck, LedgerTransaction, Withdrawal

OVERDUE_AFTER = timedelta(hours=26)  # one day, plus two hours for a late run
_CONSTANTS = db.enum_params(account=Account.Kind, bucket=Bucket, withdrawal=Withdrawal.Status)
_CHECKS = {
    "流水不平": """
        SELECT t.idempotency_key FROM earnings_ledgertransaction t
        LEFT JOIN earnings_ledgerentry e ON e.transaction_id = t.id
        GROUP BY t.id HAVING count(e.id) < 2 OR sum(e.amount) <> 0 LIMIT 20""",
    "账户余额与分录不符": """
        SELECT a.id::text FROM earnings_account a LEFT JOIN earnings_ledgerentry e ON e.account_id = a.id
        WHERE a.kind = %(account_user)s GROUP BY a.id
        HAVING a.available <> coalesce(sum(e.amount) FILTER (WHERE e.bucket = %(bucket_available)s), 0)
            OR a.withdrawing <> coalesce(sum(e.amount) FILTER (WHERE e.bucket = %(bucket_withdrawing)s), 0)
            OR a.earned <> coalesce(sum(e.amount) FILTER (WHERE e.income_type IS NOT NULL), 0) LIMIT 20""",
    "余额为负": "SELECT id::text FROM earnings_account WHERE available < 0 OR withdrawing < 0 LIMIT 20",
    "提现中金额与提现单不符": """
        SELECT a.id::text FROM earnings_account a
        LEFT JOIN earnings_withdrawal w ON w.user_id = a.user_id AND w.status IN (%(withdrawal_to_review)s, %(withdrawal_paying)s)
        WHERE a.kind = %(account_user)s GROUP BY a.id HAVING a.withdrawing <> coalesce(sum(w.amount), 0) LIMIT 20""",
    "已打款金额与提现单不符": """
        SELECT (p.paid || ' / ' || w.paid)::text FROM
            (SELECT coalesce(sum(e.amount), 0) AS paid FROM earnings_ledgerentry e
             JOIN earnings_account a ON a.id = e.account_id WHERE a.kind = %(account_paid_out)s) p,
            (SELECT coalesce(sum(amount), 0) AS paid FROM earnings_withdrawal WHERE status = %(withdrawal_paid)s) w
        WHERE p.paid <> w.paid""",
}


def check_and_record(*, at: datetime) -> list[str]:
    """Check all invariants and store the findings for the admin dashboard. Returns the findings."""
    findings = find_errors()
    LedgerCheck.objects.create(checked_at=at, findings=findings)
    return findings


def last_check() -> LedgerCheck | None:
    """Return the newest check, or None before the first."""
    return LedgerCheck.objects.order_by("-pk").first()


def is_overdue(last: LedgerCheck | None, *, at: datetime) -> bool:
    """Return whether the daily check is overdue, counted from the last check or else from the first transaction."""
    if last is not None:
        return at - last.checked_at > OVERDUE_AFTER
    first = LedgerTransaction.objects.order_by("posted_at", "-pk").first()
    return first is not None and at - first.posted_at > OVERDUE_AFTER


def find_errors() -> list[str]:
    """Return one line for each violation of an invariant."""
    return [f"{label}：{row[0]}" for label, sql in _CHECKS.items() for row in db.rows(sql, _CONSTANTS)]
