"""Saying something in very many groups: one statement finds them and writes the messages."""

# Whoever runs it calls `outbox.wake_senders()` in the same transaction.
_SAY = """
INSERT INTO robots_outboxmessage (
    message_no, operation, robot_id, group_code, user_code, chat, mentions, content, cause,
    status, is_held, created_at, not_before, retry_at, try_count, reason)
SELECT
    gen_random_uuid(), 'send', robot_id, group_code, '', 'g:' || group_code, '[]', content, %(cause)s,
    0, false, %(at)s, %(at)s, %(at)s, 0, ''
FROM ({rows}) AS wanted ORDER BY group_code COLLATE "C", place
RETURNING id, group_code
"""


def saying(rows: str) -> str:
    """SQL that has robots say each of `rows`, a query of (robot_id, group_code, content, place).

    Within a group messages go in the order of `place`. Takes the parameters `cause` and `at`; answers (id, group_code).
    """
    return _SAY.format(rows=rows)
