"""Advisory locks of PostgreSQL, for what has no row to lock. Each ends with the transaction.

Locks of a session are not used: behind PgBouncer in transaction mode the next statement may run in another session, which
neither holds nor can release the lock.
"""

from collections.abc import Sequence

from config.platform import db


def take_lock(name: str, key: object = "") -> None:
    """Wait for the lock of this name and key, and hold it until the transaction ends. A name belongs to one rule."""
    db.execute("SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))", [name, str(key)])


def take_free_locks(name: str, keys: Sequence[str]) -> list[str]:
    """Take the locks of those keys that nobody holds, until the transaction ends. Returns these keys."""
    free = (
        "SELECT key FROM unnest(%s::text[]) AS t(key) WHERE pg_try_advisory_xact_lock(hashtext(%s), hashtext(key))"
    )
    return [key for (key,) in db.rows(free, [list(keys), name])]


def take_lock_in_trigger(name: str) -> str:
    """Return the statement by which a trigger function waits for the lock of this name."""
    return f"PERFORM pg_advisory_xact_lock(hashtext('{name}'), hashtext(''));"
