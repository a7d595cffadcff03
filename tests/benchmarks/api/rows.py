"""The database of the comparison: owners of 200 groups each, and thirty of everything that an owner lists."""

import os
from collections.abc import Mapping

from django.db import connection
from django.utils import timezone

from config.models import Marquee, SiteStatus
from tests.support.generated_rows import AGO, GROUP, ROBOT, USER, fill, insert_robots, key

GROUPS_EACH, EACH = 200, 30
KEYWORDS_EACH, ENTRIES_EACH, DELIVERIES_EACH, MASS_GROUPS_EACH, WITHDRAWALS_EACH = 100, 60, 60, 90, 3
LAUNCHES = 500
_NEXT = "now() + interval '12 hours' + i * interval '6 days' / {rows}"
_PAST = "now() - i * interval '2.8 days' / {rows}"


def fill_database(owners: int) -> None:
    """Insert the rows of this many owners. The rows of an owner lie far from each other, as on a real disk."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers, no look at foreign keys
    insert_robots()
    for table, (each, columns) in _tables(owners).items():
        fill(table, 1, each, **{name: value.format(rows=each) for name, value in columns.items()})
    fill(USER, owners + 1, owners * (1 + EACH), **_apprentice(owners))
    SiteStatus.objects.create(status=1, set_at=timezone.now(), set_by="bench")
    Marquee.objects.create(is_shown=True, content="今天结算已完成", set_at=timezone.now(), set_by="bench")
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = DEFAULT")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
    os.sync()  # what is written later than now would slow the servers


def _apprentice(owners: int) -> dict[str, str]:
    return {
        "inviter_id": key(USER, f"1 + (i - 1) % {owners}"),
        "completed_at": "now()",
        "union_id": "'union-of-' || i",
        "open_id": "'open-of-' || i",
        "app_id": "'sandbox'",
        "blocked_at": "NULL",
    }


def _tables(owners: int) -> dict[str, tuple[int, Mapping[str, str]]]:
    """Return the number of rows of each table, and the expressions that differ from those of TABLES."""
    number, place = f"1 + (i - 1) % {owners}", f"((i - 1) / {owners})"  # the owner, and which row of the owner's
    owner, nth = key(USER, number), lambda table, place: key(table, f"{number} + {owners} * ({place})")
    own_group = nth(GROUP, f"{place} % {GROUPS_EACH}")
    of_day = f"current_date - {place} / 4"
    return {
        USER: (owners, {**_apprentice(owners), "inviter_id": "NULL"}),
        "robots_friendship": (
            owners * (1 + EACH),
            {"user_id": key(USER), "robot_id": key(ROBOT, "i % 100")},
        ),
        GROUP: (
            owners * GROUPS_EACH,
            {
                "user_id": owner,
                "wechat_owner_code": f"'u' || ({number})",
                "star": f"CASE WHEN {place} % 20 > 0 THEN 1 + i % 5 END",
                "cancelled_at": f"CASE WHEN {place} % 40 = 39 THEN now() END",
                "cancel_reason": f"CASE WHEN {place} % 40 = 39 THEN 4 END",
            },
        ),
        "groups_paiddays": (owners * GROUPS_EACH, {"group_id": key(GROUP), "day_count": "i % 40"}),
        "groups_groupmessage": (
            owners * EACH,
            {
                "group_id": own_group,
                "sent_at": _PAST,
                "content": "jsonb_build_object('type', 3, 'content', '请问今天几点直播？' || i)",
            },
        ),
        "groups_mention": (owners * EACH, {"user_id": owner, "group_id": own_group, "mentioned_at": _PAST}),
        "keywords_keywordbatch": (owners * 5, {"user_id": owner, "keywords": """'["价格", "多少钱"]'"""}),
        "keywords_groupkeyword": (
            owners * KEYWORDS_EACH,
            {
                "batch_id": nth("keywords_keywordbatch", f"{place} / 20"),
                "group_id": nth(GROUP, f"{place} / 2"),
                "folded": f"'词' || {place} % 2",
            },
        ),
        "earnings_account": (owners, {"user_id": key(USER), "available": "100.25", "earned": "220.5"}),
        "earnings_ledgertransaction": (EACH, {}),
        "earnings_ledgerentry": (
            owners * ENTRIES_EACH,
            {
                "account_id": key("earnings_account", number),
                "transaction_id": key("earnings_ledgertransaction", f"1 + {place} / 4"),
                "bucket": "'available'",
                "amount": "0.25 + i % 7",
                "income_type": f"{place} % 3",
                "day": of_day,
            },
        ),
        "earnings_withdrawal": (
            owners * WITHDRAWALS_EACH,
            {"user_id": owner, "asked_day": f"date '2020-01-01' + {place}", "status": "3", "paid_at": AGO}
            | {"reviewed_at": "now()", "reviewed_by": "'root'"},
        ),
        "earnings_payout": (owners * WITHDRAWALS_EACH, {"state": "'succeeded'"}),
        "launches_launch": (LAUNCHES, {}),
        "launches_delivery": (
            owners * DELIVERIES_EACH,
            {
                "launch_id": key("launches_launch", f"1 + (({number}) * 7 + {place} / 2) % {LAUNCHES}"),
                "group_code": f"'g' || ({number} + {owners} * {place})",
                "group_id": nth(GROUP, place),
                "user_id": owner,
            },
        ),
        "launches_massmessage": (
            owners * EACH,
            {
                "user_id": owner,
                "send_at": _NEXT,
                "day": f"current_date + {place}",
                "status": "0",
                "queued_at": "NULL",
            },
        ),
        "launches_massmessagegroup": (
            owners * MASS_GROUPS_EACH,
            {
                "mass_message_id": nth("launches_massmessage", f"{place} % {EACH}"),
                "group_id": nth(GROUP, place),
                "minute": _NEXT,
            },
        ),
    }
