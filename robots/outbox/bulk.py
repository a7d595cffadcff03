"""Saying something to very many: one statement finds them and writes the messages."""

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
_WRITE = """
INSERT INTO robots_outboxmessage (
    message_no, operation, robot_id, group_code, user_code, chat, mentions, content, cause,
    status, is_held, created_at, not_before, retry_at, try_count, reason, by_day_only)
SELECT
    gen_random_uuid(), 'send', w.robot_id, '', w.user_code, 'p:' || r.code || ':' || w.user_code, '[]',
    jsonb_build_object('type', 3, 'content', w.words), w.cause,
    0, false, %(at)s, %(not_before)s, %(not_before)s, 0, '', %(by_day_only)s
FROM ({rows}) AS w JOIN robots_robot r ON r.id = w.robot_id ORDER BY w.place
RETURNING id
"""


def writing(rows: str) -> str:
    """SQL that has robots write to users each of `rows`, a query of (robot_id, user_code, words, cause, place).

    Takes the parameters `at`, `not_before` (no earlier than `at`) and `by_day_only`; answers (id).
    """
    return _WRITE.format(rows=rows)


def saying(rows: str) -> str:
    """SQL that has robots say each of `rows`, a query of (robot_id, group_code, content, place).

    Within a group messages go in the order of `place`. Takes the parameters `cause` and `at`; answers (id, group_code).
    """
    return _SAY.format(rows=rows)
