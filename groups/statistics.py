"""Daily statistics of groups: joins, leaves and speakers, rolled up after midnight in one statement.

A missed day is rolled up later, as long as its messages and moves are stored.
"""

from datetime import date, datetime, timedelta

from config.platform import db
from config.platform.dates import day_of, end_of, start_of
from config.platform.retention import delete_in_chunks

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
WHERE g.bound_at < %(end)s AND (g.cancelled_at IS NULL OR g.cancelled_at >= %(end)s)
ORDER BY g.id
ON CONFLICT (group_id, day) DO UPDATE SET
    joined_count = EXCLUDED.joined_count, left_count = EXCLUDED.left_count, speaker_count = EXCLUDED.speaker_count
"""
_MISSED = """
SELECT d.day FROM unnest(%s::date[], %s::timestamptz[]) AS d(day, ended_at)
WHERE NOT EXISTS (SELECT 1 FROM groups_groupstatistics s WHERE s.day = d.day)
    AND EXISTS (SELECT 1 FROM groups_group g
        WHERE g.bound_at < d.ended_at AND (g.cancelled_at IS NULL OR g.cancelled_at >= d.ended_at))
ORDER BY d.day
"""
# The statement deletes mentions with their messages, so that no rows are read into this process.
_FORGET_MESSAGES = """
WITH old AS MATERIALIZED (
    SELECT ctid AS place, id FROM groups_groupmessage WHERE sent_at < %(before)s LIMIT %(chunk)s
), mentions AS (
    DELETE FROM groups_mention WHERE message_id = ANY(ARRAY(SELECT id FROM old))
)
DELETE FROM groups_groupmessage WHERE ctid = ANY(ARRAY(SELECT place FROM old))
"""
_FORGET_MOVES = """
DELETE FROM groups_membermove WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM groups_membermove WHERE moved_at < %(before)s ORDER BY moved_at LIMIT %(chunk)s
))
"""


def roll_up(day: date) -> int:
    """Roll up a day that is over, for the groups that were served when it ended. Returns how many groups.

    A second run counts events that arrived late; the number of members stays as the first run stored it.
    """
    return db.execute(_ROLL_UP, {"day": day, "start": start_of(day), "end": end_of(day)})


def roll_up_missed(*, at: datetime) -> int:
    """Roll up every missed day. Returns how many rows were written."""
    return sum(roll_up(day) for day in days_without_statistics(at=at))


def days_without_statistics(*, at: datetime) -> list[date]:
    """Return the days without statistics whose messages are all still stored, the earliest first.

    A day on which no group was served is not missing.
    """
    first, last = day_of(at - KEEP) + timedelta(days=1), day_of(at) - timedelta(days=1)
    days = [first + timedelta(days=step) for step in range((last - first).days + 1)]
    return [day for (day,) in db.rows(_MISSED, [days, [end_of(day) for day in days]])]


def delete_old_messages(*, at: datetime) -> int:
    """Delete messages and moves older than a week, some thousand at a time. Returns how many rows were deleted."""
    return sum(delete_in_chunks(statement, before=at - KEEP) for statement in (_FORGET_MESSAGES, _FORGET_MOVES))
