"""Yesterday's numbers: real joins, leaves and speakers, rolled up at night in one statement."""

from datetime import date, datetime, timedelta

from django.db import connection

from config.clock import end_of, start_of
from config.retention import delete_in_chunks

KEEP = timedelta(days=7)

_ROLL_UP = """
INSERT INTO groups_groupstatistics (group_id, day, member_count, joined_count, left_count, speaker_count)
SELECT g.id, %(day)s, g.member_count, coalesce(m.joined, 0), coalesce(m.gone, 0), coalesce(s.speakers, 0)
FROM groups_group g
LEFT JOIN (
    SELECT group_id, count(*) FILTER (WHERE is_joining) AS joined, count(*) FILTER (WHERE NOT is_joining) AS gone
    FROM groups_membermove WHERE moved_at >= %(start)s AND moved_at < %(end)s GROUP BY group_id
) m ON m.group_id = g.id
LEFT JOIN (
    SELECT group_id, count(DISTINCT sender_code) AS speakers FROM groups_groupmessage
    WHERE sent_at >= %(start)s AND sent_at < %(end)s AND NOT is_robot GROUP BY group_id
) s ON s.group_id = g.id
WHERE g.cancelled_at IS NULL AND g.bound_at < %(end)s
ORDER BY g.id
ON CONFLICT (group_id, day) DO UPDATE SET
    joined_count = EXCLUDED.joined_count, left_count = EXCLUDED.left_count, speaker_count = EXCLUDED.speaker_count
"""
# Mentions go with their messages; nothing is read into this process.
_FORGET_MESSAGES = """
WITH old AS MATERIALIZED (
    SELECT id FROM groups_groupmessage WHERE sent_at < %(before)s LIMIT %(chunk)s
), mentions AS (
    DELETE FROM groups_mention m USING old WHERE m.message_id = old.id
)
DELETE FROM groups_groupmessage g USING old WHERE g.id = old.id
"""
_FORGET_MOVES = """
DELETE FROM groups_membermove WHERE id IN (
    SELECT id FROM groups_membermove WHERE moved_at < %(before)s ORDER BY moved_at LIMIT %(chunk)s
)
"""


def roll_up(day: date) -> int:
    """Count a day that is over; doing it again counts what came late. How many groups."""
    with connection.cursor() as cursor:
        cursor.execute(_ROLL_UP, {"day": day, "start": start_of(day), "end": end_of(day)})
        return int(cursor.rowcount)


def forget_old(*, at: datetime) -> int:
    """Delete messages and moves older than a week, some thousand at a time; how many."""
    return sum(delete_in_chunks(statement, before=at - KEEP) for statement in (_FORGET_MESSAGES, _FORGET_MOVES))
