"""Old rows are deleted by ctid, independently of the statistics of PostgreSQL."""

import pytest
from django.db import connection
from django.utils import timezone

from config.platform.retention import CHUNK
from feedback import conversations
from groups import statistics
from groups.models import Group
from integrations.gateway import inbox
from integrations.models import GatewayEvent
from tests.factories.people import GroupFactory, days_ago

pytestmark = pytest.mark.django_db
ROWS = CHUNK + 1  # of a small table PostgreSQL reads all rows
_FILL = {
    "groups_membermove": "(group_id, member_code, moved_at, is_joining) SELECT %(group)s, 'm' || n, %(old)s, true",
    "groups_groupmessage": "(id, message_no, sender_code, is_robot, content, sent_at, group_id)"
    " SELECT gen_random_uuid(), 'm' || n, 'a', false, '{}', %(old)s, %(group)s",
    "feedback_conversation": "(user_id, opened_at, closed_at, last_message_at) SELECT %(user)s, %(old)s, %(old)s, %(old)s",
    "integrations_gatewayevent": "(event_id, command, body, ordering_key, depends_on_key, status, received_at, attempts,"
    f" next_attempt_at, finished_at, note) SELECT 'e' || n, 'dance', '1', '', '', {GatewayEvent.Status.HANDLED}, %(old)s, 1,"
    " %(old)s, %(old)s, ''",
}


def fill(group: Group) -> None:
    fields = {"group": group.pk, "user": group.user_id, "old": days_ago(400), "rows": ROWS}
    with connection.cursor() as cursor:
        for table, values in _FILL.items():
            cursor.execute(f"INSERT INTO {table} {values} FROM generate_series(1, %(rows)s) n", fields)


@pytest.mark.parametrize(
    "statement",
    [inbox._DELETE, conversations._DELETE_OLD, statistics._FORGET_MESSAGES, statistics._FORGET_MOVES],
    ids=["events", "conversations", "messages", "moves"],
)
def test_a_table_that_was_analyzed_while_empty_is_not_joined_row_by_row(statement: str):
    """A join compared every pair of rows and took half a minute for 10,000 rows."""
    group = GroupFactory()
    fill(group)
    with connection.cursor() as cursor:
        for table in _FILL:
            cursor.execute(f"DELETE FROM {table}")
            cursor.execute(f"ANALYZE {table}")
        fill(group)
        before = {"before": timezone.now(), "chunk": CHUNK, "statuses": [GatewayEvent.Status.HANDLED.value]}
        cursor.execute(f"EXPLAIN {statement}", before)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        assert ("Tid Scan" in plan, "Nested Loop" in plan) == (True, False), plan
        cursor.execute(statement, before)
        assert cursor.rowcount == CHUNK
