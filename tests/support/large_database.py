"""A copy of the test database with many rows of many users, and one large owner among them."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, connections

from tests.support.generated_rows import GROUP, SOME, SOME_GROUP, USER, fill, insert_robots, key

ROWS = 16_000  # of each table; more are other users'
# User 7 is the large owner. Every 11th row is the owner's, as an owner's rows lie far from each other on a real disk.
_EVERY = 11
_IS_OWN = f"i <= {ROWS} AND i % {_EVERY} = 7"
OWN = ROWS // _EVERY + 1
OWNER = key(USER, "7")
_OTHER = f"100 + ({SOME})"  # never user 7
_DAY_OF_ITS_OWN = "date '1900-01-01' + i"
_LAST_THREE_DAYS, _NEXT_THREE_DAYS = (f"now() {sign} i * interval '{2.9 * 86400 / ROWS} seconds'" for sign in "-+")
_NOT_ALL_VISIBLE = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relallvisible < relpages * 0.95"


def _own(own: str, others: str) -> str:
    return f"CASE WHEN {_IS_OWN} THEN {own} ELSE {others} END"


_USER = _own(OWNER, key(USER, _OTHER))
# table → SQL expressions that differ from those of TABLES
_FILLED: dict[str, dict[str, str]] = {
    # Behind each apprentice of the owner comes an apprentice of the apprentice.
    USER: {
        "inviter_id": f"CASE WHEN i <= 100 THEN NULL WHEN {_IS_OWN} THEN {OWNER}"
        f" WHEN i % {_EVERY} = 8 THEN {key(USER, 'i - 1')} ELSE {key(USER, _OTHER)} END",
        "completed_at": "now()",
        "union_id": "'union-of-' || i",
        "open_id": "'open-of-' || i",
        "app_id": "'sandbox'",
    },
    # Half of the owner's groups are rated.
    GROUP: {
        "user_id": _USER,
        "wechat_owner_code": _own("'u7'", f"'u' || ({_OTHER})"),
        "star": _own(f"CASE WHEN i % {2 * _EVERY} = 7 THEN 3 END", "1 + i % 5"),
    },
    "groups_paiddays": {},
    "robots_friendship": {},
    "robots_scan": {"union_id": "'union-of-' || i"},
    "robots_outboxmessage": {},
    "earnings_account": {},
    "earnings_ledgertransaction": {},
    "earnings_ledgerentry": {
        "account_id": _own(key("earnings_account", "7"), key("earnings_account")),
        "income_type": "CASE WHEN i % 100 > 0 THEN i % 3 END",
        "day": f"current_date - i / {_EVERY} % 400",
    },
    "earnings_withdrawal": {"user_id": _USER, "asked_day": _DAY_OF_ITS_OWN},
    "earnings_payout": {},
    "feedback_problem": {"user_id": _USER},
    # GET /keywords lists all batches at once, so the owner has a tenth of the rows.
    "keywords_keywordbatch": {
        "user_id": f"CASE WHEN {_IS_OWN} AND i % {10 * _EVERY} = 7 THEN {OWNER} ELSE {key(USER, _OTHER)} END"
    },
    "keywords_groupkeyword": {"group_id": key(GROUP)},
    "groups_member": {"group_id": _own(key(GROUP, "7"), SOME_GROUP)},
    "groups_groupmessage": {"group_id": _own(key(GROUP, "7"), SOME_GROUP), "sent_at": _LAST_THREE_DAYS},
    "groups_mention": {"user_id": _USER, "group_id": key(GROUP), "mentioned_at": _LAST_THREE_DAYS},
    "groups_groupstatistics": {"group_id": key(GROUP), "day": "current_date - 1"},
    "groups_reminder": {},
    "launches_launch": {},
    "launches_delivery": {"user_id": _USER, "launch_id": key("launches_launch", f"i / {_EVERY} * {_EVERY} + 1")},
    "launches_massmessage": {"user_id": _USER, "day": _DAY_OF_ITS_OWN, "send_at": _NEXT_THREE_DAYS},
    "launches_massmessagegroup": {},
}


@contextmanager
def large_database() -> Iterator[None]:
    """Connect Django to a copy of its database with these rows. The copy is dropped at the end."""
    name = connection.settings_dict["NAME"]
    large = f"{name}_large"
    _execute_outside(f"CREATE DATABASE {large} TEMPLATE {name}")
    _use(large)
    try:
        insert_robots()
        fill_tables(1, ROWS)
        yield
    finally:
        _use(name)
        _execute_outside(f"DROP DATABASE {large}")


def fill_tables(first: int, last: int) -> None:
    """Insert rows `first` to `last` of each table, and leave the tables as autovacuum does."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers, no look at foreign keys
        for table, values in _FILLED.items():
            cursor.execute(
                f"ALTER TABLE {table} SET (autovacuum_enabled = false)"
            )  # its snapshots would keep rows unsettled
            fill(table, first, last, **values)
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("ANALYZE")
    _vacuum()


def _vacuum() -> None:
    """Have counts read indexes alone, as after autovacuum. A transaction of autovacuum itself may make another turn necessary."""
    with connection.cursor() as cursor:
        for _ in range(50):
            cursor.execute(_NOT_ALL_VISIBLE, [list(_FILLED)])
            if not (tables := [name for (name,) in cursor.fetchall()]):
                return
            cursor.execute(f"VACUUM {', '.join(tables)}")
            time.sleep(0.1)
    raise TimeoutError(tables)


def _use(name: str) -> None:
    connections.close_all()
    connection.settings_dict["NAME"] = connections.settings["default"]["NAME"] = name


def _execute_outside(statement: str) -> None:
    connections.close_all()
    with connection._nodb_cursor() as cursor:
        cursor.execute(statement)
