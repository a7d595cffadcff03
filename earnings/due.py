"""When a day's income is due, and who shares in it at that moment: the same for settlement and article reads."""

from datetime import date, datetime, timedelta

from config.platform.dates import end_of

SETTLEMENT_DELAY = timedelta(minutes=30)  # after midnight: when the nightly settlement starts (config/celery.py)


def due_at(day: date, *, at: datetime) -> datetime:
    """Return the moment at which the day's own night settled it: the present on the day after, else 00:30 of that day."""
    is_in_time = at < end_of(day + timedelta(days=1))
    return at if is_in_time else end_of(day) + SETTLEMENT_DELAY


def _is_invited(alias: str) -> str:
    """Return the SQL condition that the user of this table alias had the inviter at the moment `due`.

    An inviter is set when the profile is completed. A row that was made after the moment was imported: when it got its
    inviter is not known, and the one that it has counts.
    """
    return f"({alias}.completed_at IS NULL OR {alias}.completed_at <= %(due)s OR {alias}.created_at > %(due)s)"


# SQL of both users above `u`, whose income it is: none where a user is blocked or was not invited yet. Needs the common
# table `blocked` (accounts.blocking.BLOCKED_USERS) and the parameter `due`.
INVITERS = f"""CASE WHEN m.id NOT IN (TABLE blocked) THEN m.id END AS inviter_id,
       CASE WHEN m.inviter_id NOT IN (TABLE blocked) AND {_is_invited("m")} THEN m.inviter_id END AS grand_inviter_id"""
JOIN_INVITER = f"LEFT JOIN accounts_user m ON m.id = u.inviter_id AND {_is_invited('u')}"
