"""Due moment of a day's income and the inviters who share in it, for settlement and article reads."""

from datetime import date, datetime, timedelta

from config.platform.dates import end_of

SETTLEMENT_DELAY = timedelta(minutes=30)  # from midnight to the start of the nightly settlement (config/celery.py)


def due_at(day: date, *, at: datetime) -> datetime:
    """Return the moment at which the day is due: `at` during the following day, later 00:30 of the following day."""
    is_on_time = at < end_of(day + timedelta(days=1))
    return at if is_on_time else end_of(day) + SETTLEMENT_DELAY


def _is_invited(alias: str) -> str:
    """Return the SQL condition that the user of this table alias had an inviter at the moment `due`.

    The inviter is set when the profile is completed. A row created after `due` was imported; the moment of its inviter is
    unknown, so its present inviter counts.
    """
    return f"({alias}.completed_at IS NULL OR {alias}.completed_at <= %(due)s OR {alias}.created_at > %(due)s)"


# SQL columns for the inviter and grand-inviter of the user `u` who earns the income; NULL when blocked at `due` or not yet
# the inviter. They need the common table `blocked` (accounts.blocking.BLOCKED_USERS) and the parameter `due`.
INVITERS = f"""CASE WHEN m.id NOT IN (TABLE blocked) THEN m.id END AS inviter_id,
       CASE WHEN m.inviter_id NOT IN (TABLE blocked) AND {_is_invited("m")} THEN m.inviter_id END AS grand_inviter_id"""
JOIN_INVITER = f"LEFT JOIN accounts_user m ON m.id = u.inviter_id AND {_is_invited('u')}"
