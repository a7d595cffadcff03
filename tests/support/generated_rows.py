"""The rows of a big database, which PostgreSQL generates for each table without triggers."""

from django.db import connection

MANY = 10_000  # rows after which the tables hold ever more users with few rows each
USER, GROUP, ROBOT = "accounts_user", "groups_group", "robots_robot"


def key(table: str, number: str = "i") -> str:
    """Return SQL for the primary key of a numbered row of a table."""
    return f"md5('{table}' || ({number}))::uuid"


# The first hundred users, groups and launches have more than a page of related rows.
SOME = f"1 + CASE WHEN i <= {MANY} THEN i % 100 ELSE i % {MANY} END"
SOMEBODY, SOME_GROUP, SOME_ROBOT = key(USER, SOME), key(GROUP, SOME), key(ROBOT, "i % 100")
PHONE = "'1' || 3000000000 + i::bigint * 2654435761 % 4294967296"  # no two alike, and no digits that all share
SOME_DAY = f"date '1900-01-01' + CASE WHEN i <= {MANY} THEN i / 100 ELSE 100 + i / {MANY} END"
AGO = "now() - i * interval '30 seconds'"
LATER = "now() - ({last} - i) * interval '30 seconds'"  # where keys are numbers: the higher, the later
# table → SQL expressions of the columns that are not empty
TABLES: dict[str, dict[str, str]] = {
    USER: {
        "code": "'u' || i",
        "nickname": "'用户' || i",
        "phone": PHONE,
        "inviter_id": f"CASE WHEN i > 100 THEN {SOMEBODY} END",
        "created_at": AGO,
        "union_id": "'union-' || i",
        "completed_at": "CASE WHEN i % 2 = 0 THEN now() END",
        "is_active": "true",
        "blocked_at": "CASE WHEN i % 100 = 0 THEN now() END",
    },
    GROUP: {
        "code": "'g' || i",
        "name": "'群' || i",
        "user_id": SOMEBODY,
        "wechat_owner_code": f"'u' || ({SOME})",
        "robot_id": SOME_ROBOT,
        "star": "1 + i % 5",
        "launch_switch": "i % 2 = 0",
        "cancelled_at": "CASE WHEN i % 10 = 0 THEN now() END",
        "cancel_reason": "CASE WHEN i % 10 = 0 THEN 1 + i / 10 % 7 END",
        "bound_at": AGO,
    },
    "groups_paiddays": {"group_id": key(GROUP), "day_count": "i % 30"},
    "robots_friendship": {"robot_id": SOME_ROBOT, "user_id": key(USER), "befriended_at": AGO},
    "robots_scan": {"robot_id": SOME_ROBOT, "union_id": "'u' || i", "scanned_at": AGO, "assigned_at": AGO},
    "robots_outboxmessage": {
        "robot_id": SOME_ROBOT,
        "user_code": "'u' || i",
        "ordering_key": "'p:' || i",
        "operation": "'send'",
        "status": "CASE WHEN i % 100 = 0 THEN 3 WHEN i % 200 = 1 THEN 2 ELSE 1 END",
        "last_error": "CASE WHEN i % 100 = 0 OR i % 200 = 1 THEN '拒绝' ELSE '' END",
        "created_at": LATER,
        "finished_at": LATER,
    },
    "integrations_gatewayevent": {
        "event_id": "'e' || i",
        "received_at": LATER,
        "status": "CASE WHEN i % 100 = 0 THEN 4 ELSE 1 END",
        "finished_at": "now()",
    },
    "earnings_account": {"kind": "'user'", "user_id": key(USER), "opened_at": AGO},
    "earnings_ledgertransaction": {
        "kind": "CASE WHEN i % 100 = 0 THEN 'red_packet' ELSE 'settlement' END",
        "idempotency_key": "'c' || i",
        "posted_at": AGO,
    },
    "earnings_ledgerentry": {
        "transaction_id": key("earnings_ledgertransaction"),
        "account_id": key("earnings_account"),
        "amount": "1",
        "bucket": "CASE WHEN i % 100 = 0 THEN 'withdrawing' ELSE 'available' END",
        "income_type": "CASE WHEN i % 100 = 1 THEN 4 WHEN i % 100 > 1 THEN i % 3 END",
    },
    "earnings_withdrawal": {
        "user_id": SOMEBODY,
        "amount": "(ARRAY[1,20,50,100,200,500])[1 + i % 6]",
        "status": "CASE WHEN i % 100 = 0 THEN 0 ELSE 3 END",
        "reviewed_at": "CASE WHEN i % 100 > 0 THEN now() END",
        "reviewed_by": "CASE WHEN i % 100 > 0 THEN 'root' ELSE '' END",
        "paid_at": f"CASE WHEN i % 100 > 0 THEN {AGO} END",
        "asked_at": AGO,
        "asked_day": SOME_DAY,
    },
    "feedback_problem": {
        "user_id": SOMEBODY,
        "category_id": "(SELECT id FROM feedback_problemcategory LIMIT 1)",
        "reported_at": AGO,
        "group_name": "'群' || i",
        "answered_at": "CASE WHEN i % 50 > 0 THEN now() END",
        "answered_by": "CASE WHEN i % 50 > 0 THEN 'root' ELSE '' END",
        "answer": "CASE WHEN i % 50 > 0 THEN '好' ELSE '' END",
    },
    "keywords_keywordbatch": {
        "user_id": SOMEBODY,
        "reply_content": "'好'",
        "keywords": "'[\"词\"]'",
        "folded": "ARRAY['词' || i]",
        "created_at": AGO,
    },
    "keywords_groupkeyword": {
        "batch_id": key("keywords_keywordbatch"),
        "group_id": SOME_GROUP,
        "folded": "'词' || i",
    },
    "groups_member": {"group_id": SOME_GROUP, "code": "'m' || i", "joined_at": AGO},
    "groups_groupmessage": {
        "group_id": SOME_GROUP,
        "message_no": "'n' || i",
        "sender_code": "'m' || i",
        "sent_at": AGO,
    },
    "groups_mention": {
        "message_id": key("groups_groupmessage"),
        "group_id": SOME_GROUP,
        "user_id": SOMEBODY,
        "mentioned_at": AGO,
        "read_at": "CASE WHEN i % 100 > 0 THEN now() END",
    },
    "launches_launch": {
        "task_id": "'t' || i",
        "status": "CASE WHEN i % 100 = 0 THEN 1 ELSE 4 END",
        "received_at": AGO,
        "finished_at": "CASE WHEN i % 100 > 0 THEN now() END",
    },
    "launches_delivery": {
        "launch_id": key("launches_launch", SOME),
        "group_code": "'g' || i",
        "group_id": SOME_GROUP,
        "user_id": SOMEBODY,
        "status": "CASE WHEN i % 100 = 0 THEN 2 ELSE 1 END",
        "reason": "CASE WHEN i % 100 = 0 THEN '拒绝' ELSE '' END",
        "settled_at": "now()",
    },
    "launches_massmessage": {
        "user_id": SOMEBODY,
        "send_at": AGO,
        "day": SOME_DAY,
        "slot": "1",
        "status": "1",
        "queued_at": AGO,
    },
    "launches_massmessagegroup": {
        "mass_message_id": key("launches_massmessage"),
        "group_id": SOME_GROUP,
        "minute": AGO,
    },
    "earnings_payout": {
        "withdrawal_id": key("earnings_withdrawal"),
        "state": "CASE WHEN i % 100 = 0 THEN 'failed' ELSE 'succeeded' END",
        "created_at": AGO,
        "next_attempt_at": "now()",
        "sent_at": AGO,
        "called_at": AGO,
        "finished_at": "now()",
    },
    "feedback_conversation": {
        "user_id": SOMEBODY,
        "opened_at": LATER,
        "last_message_at": LATER,
        "closed_at": "now()",
    },
    "feedback_forwardedmessage": {
        "conversation_id": f"1 + ({SOME})",
        "kind": "'text'",
        "status": "CASE WHEN i % 100 = 0 THEN 2 ELSE 1 END",
        "last_error": "CASE WHEN i % 100 = 0 THEN '拒绝' ELSE '' END",
        "written_at": LATER,
        "next_attempt_at": LATER,
        "finished_at": "now()",
    },
    "integrations_textmessage": {
        "phone": PHONE,
        "status": "CASE WHEN i % 100 = 0 THEN 2 ELSE 1 END",
        "last_error": "CASE WHEN i % 100 = 0 THEN '拒绝' ELSE '' END",
        "created_at": LATER,
        "next_attempt_at": LATER,
        "finished_at": "now()",
    },
    "groups_groupstatistics": {"group_id": SOME_GROUP, "day": SOME_DAY},
    "groups_reminder": {"user_id": key(USER), "kind": "1 + i % 2", "day": SOME_DAY},
    "config_auditentry": {
        "actor": "'root'",
        "action": "'U'",
        "table_name": f"'{USER}'",
        "row_id": "i::text",
        "noted_at": LATER,
    },
}
_EMPTY = {
    "uuid": "gen_random_uuid()",
    "boolean": "false",
    "jsonb": "'{}'",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "character varying": "''",
    "text": "''",
}


def fill(table: str, first: int, last: int, **values: str) -> None:
    """Insert rows `first` to `last` of a table, in which `i` is their number.

    Required columns, those of TABLES and of `values` are filled. The caller has switched off triggers.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type, is_nullable, is_identity FROM information_schema.columns"
            " WHERE table_name = %s ORDER BY ordinal_position",
            [table],
        )
        given = TABLES.get(table, {}) | values
        expressions = {"id": key(table)} | {
            name: value.replace("{last}", str(last)) for name, value in given.items()
        }
        chosen = {
            name: expressions.get(name, _EMPTY.get(kind, "0")) if kind != "bigint" or name in given else "0"
            for name, kind, nullable, identity in cursor.fetchall()
            if identity == "NO" and (nullable == "NO" or name in given)
        }
        columns = ", ".join(f'"{name}"' for name in chosen)
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {', '.join(chosen.values())}"
            f" FROM generate_series({first}, {last}) AS i"
        )


def insert_robots() -> None:
    """Insert the robots that the rows refer to."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO robots_robot (id, code, name, wechat_no, avatar_url, qr_code_url, channel, status, group_count,"
            f" created_at) SELECT {key(ROBOT)}, 'r' || i, '小助手' || i, '', '', '', '', 1, 3, now()"
            " FROM generate_series(0, 99) AS i"
        )
