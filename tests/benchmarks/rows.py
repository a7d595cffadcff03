"""Big databases for benchmarks: every table of TABLES grows from ten thousand rows to a million."""

from collections.abc import Mapping

from django.db import connection

from tests.benchmarks.harness import report
from tests.support.generated_rows import (
    AGO,
    GROUP,
    LATER,
    MANY,
    SOME_GROUP,
    SOME_ROBOT,
    SOMEBODY,
    TABLES,
    USER,
    fill,
    key,
)

SMALL, BIG = MANY, 1_000_000
_DAY_OF_ITS_OWN = "date '1900-01-01' + i"


def _own(own: str, others: str) -> str:
    return f"CASE WHEN i % 5 = 2 THEN {own} ELSE {others} END"


def _own_of_each_day(own: str, others: str) -> str:
    """Return SQL for a column of a table that has a row for each day: of ten years, not of a fifth of all rows."""
    return f"CASE WHEN i % 250 = 2 THEN {own} ELSE {others} END"


_USER, _GROUP = _own(key(USER, "7"), SOMEBODY), _own(key(GROUP, "7"), SOME_GROUP)
_NOT_DONE = {
    "status": "CASE WHEN i % 100 = 0 THEN 2 ELSE 1 END",
    "last_error": "CASE WHEN i % 100 = 0 THEN '拒绝' ELSE '' END",
    "next_attempt_at": AGO,
    "finished_at": AGO,
}
# User 7 and group 7 have a fifth of the rows: table → SQL expressions that differ from those of TABLES, and further tables.
OWNED: dict[str, dict[str, str]] = {
    USER: {"inviter_id": f"CASE WHEN i > 100 THEN {_USER} END"},
    GROUP: {
        "user_id": _USER,
        "wechat_owner_code": _own("'u7'", "'u' || i"),
        "cancelled_at": f"CASE WHEN i % 50 < 5 THEN {AGO} END",
        "cancel_reason": "CASE WHEN i % 50 < 5 THEN 1 + i / 50 % 7 END",
    },
    "earnings_payout": {"finished_at": AGO},
    "earnings_ledgerentry": {
        "account_id": _own(key("earnings_account", "7"), key("earnings_account")),
        # Transaction 7 is a settlement of very many people.
        "transaction_id": f"CASE WHEN i % 5 = 3 THEN {key('earnings_ledgertransaction', '7')}"
        f" ELSE {key('earnings_ledgertransaction')} END",
        "day": "current_date - ({last} - i) / 3000",
    },
    "earnings_withdrawal": {"user_id": _own_of_each_day(key(USER, "7"), SOMEBODY), "asked_day": _DAY_OF_ITS_OWN},
    "feedback_problem": {
        "user_id": _USER,
        "closed_at": "CASE WHEN i % 100 = 0 THEN now() END",
        "closed_by": "CASE WHEN i % 100 = 0 THEN 'root' ELSE '' END",
        "closed_reason": "CASE WHEN i % 100 = 0 THEN '无效' ELSE '' END",
    },
    "keywords_keywordbatch": {"user_id": _USER},
    "groups_member": {"group_id": _GROUP},
    "groups_groupmessage": {"group_id": _GROUP},
    "groups_mention": {"group_id": _GROUP, "user_id": _USER},
    "groups_groupstatistics": {"group_id": _own_of_each_day(key(GROUP, "7"), SOME_GROUP), "day": _DAY_OF_ITS_OWN},
    "launches_delivery": {
        "user_id": _USER,
        "group_id": _GROUP,
        "launch_id": _own(key("launches_launch", "7"), key("launches_launch")),
    },
    "launches_massmessage": {"user_id": _own_of_each_day(key(USER, "7"), SOMEBODY), "day": _DAY_OF_ITS_OWN},
    "feedback_conversation": {"user_id": _USER},
    "feedback_forwardedmessage": {"conversation_id": _own("7", "i")},
    "config_auditentry": {"row_id": _own(f"{key(USER, '7')}::text", f"{key(USER)}::text")},
    "accounts_usernote": {"user_id": SOMEBODY, "text": "'注'", "written_at": LATER, "written_by": "'root'"},
    "accounts_endedblock": {
        "user_id": key(USER),
        "blocked_at": AGO,
        "ended_at": AGO,
        "blocked_by": "'root'",
        "ended_by": "'root'",
    },
    "groups_groupnote": {"group_id": SOME_GROUP, "text": "'注'", "written_at": LATER, "written_by": "'root'"},
    "groups_starrating": {"group_id": SOME_GROUP, "star": "1 + i % 5", "rated_at": LATER},
    "groups_canceljob": {**_NOT_DONE, "reason": "4", "asked_at": AGO, "asked_by": "'root'", "references": "'[]'"},
    "earnings_withdrawalstep": {
        "withdrawal_id": key("earnings_withdrawal"),
        "to_status": "0",
        "taken_at": LATER,
        "taken_by": "'u'",
    },
    "earnings_groupday": {"group_id": _own_of_each_day(key(GROUP, "7"), SOME_GROUP), "day": _DAY_OF_ITS_OWN, "profit": "1", "bonus": "0"},
    "earnings_redpacketopening": {"user_id": key(USER), "opened_at": AGO},
    "feedback_problemanswer": {
        "problem_id": key("feedback_problem"),
        "text": "'好'",
        "answered_at": AGO,
        "answered_by": "'root'",
    },
    "robots_robotday": {"robot_id": SOME_ROBOT, "day": _DAY_OF_ITS_OWN, "quota": "5"},
    "robots_messageattempt": {"message_id": "i", "outcome": "'accepted'", "tried_at": LATER},
    "launches_resultreport": {**_NOT_DONE, "delivery_id": "i", "is_sent": "true", "reported_at": AGO},
    "launches_scheduledsending": {**_NOT_DONE, "mass_message_id": key("launches_massmessage")},
    "launches_massmessagedraft": {"user_id": _USER, "created_at": AGO, "expires_at": "now()"},
    "config_shortlink": {"slug": "'s' || i", "url": "'https://a/' || i", "url_hash": "'h' || i", "created_at": LATER},
    "integrations_sensitiveword": {"word": "'词' || i", "created_at": LATER, "word_import_id": "1"},
    "integrations_sensitivewordimport": {"file_name": "i || '.csv'", "imported_at": LATER, "imported_by": "'root'"},
    "integrations_alarm": {"key": "'k' || i", "title": "'告警'", "began_at": LATER, "last_seen_at": LATER, "ended_at": LATER},
    "integrations_alarmnotice": {**_NOT_DONE, "alarm_id": "i", "channel": "'email'", "is_end": "false"},
    "accounts_erasurerequest": {
        "user_id": key(USER),
        "status": "1",
        "reason": "'注'",
        "asked_at": LATER,
        "asked_by": "'root'",
        "decided_at": LATER,
        "decided_by": "'ann'",
    },
    "earnings_ledgercheck": {"checked_at": LATER, "findings": "'[]'"},
}  # fmt: skip


def grow(first: int, last: int, values: Mapping[str, dict[str, str]] | None = None) -> None:
    """Insert rows `first` to `last` of each table of TABLES and of `values`, whose expressions are preferred."""
    given = values or {}
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers, no look at foreign keys
        for table in TABLES | given:
            # Building the indexes afterwards takes a tenth of the time of filling them row by row.
            cursor.execute(f"UPDATE pg_index SET indisready = false WHERE indrelid = '{table}'::regclass")
            fill(table, first, last, **given.get(table, {}))
            cursor.execute(f"REINDEX TABLE {table}; ANALYZE {table}")
            report(f"    {table}: {last:,} rows")
        cursor.execute("SET session_replication_role = DEFAULT")
