"""SQL that writes messages to very many receivers in one statement, from a query that selects the receivers."""

from integrations.gateway.payloads import MessageType
from robots.models import OutboxMessage

_CONSTANTS = {
    "send": OutboxMessage.Operation.SEND.value,
    "waiting": OutboxMessage.Status.WAITING.value,
    "text": MessageType.TEXT.value,
}
# The caller runs the statement, and `writing.notify_senders()` in the same transaction.
_INSERT_GROUP_MESSAGES = """
INSERT INTO robots_outboxmessage (
    message_no, operation, robot_id, group_code, user_code, ordering_key, mentions, content, source_type, source_id,
    status, is_held, created_at, not_before, next_attempt_at, attempts, last_error)
SELECT
    gen_random_uuid(), '{send}', robot_id, group_code, '', 'g:' || group_code, '[]', content, %(source_type)s, %(source_id)s,
    {waiting}, false, %(at)s, %(at)s, %(at)s, 0, ''
FROM ({rows}) AS wanted ORDER BY group_code COLLATE "C", place
RETURNING id, group_code
"""
_INSERT_PRIVATE_MESSAGES = """
INSERT INTO robots_outboxmessage (
    message_no, operation, robot_id, group_code, user_code, ordering_key, mentions, content, source_type, source_id,
    status, is_held, created_at, not_before, next_attempt_at, attempts, last_error, by_day_only)
SELECT
    gen_random_uuid(), '{send}', w.robot_id, '', w.user_code, 'p:' || r.code || ':' || w.user_code, '[]',
    jsonb_build_object('type', {text}, 'content', w.text), %(source_type)s, w.source_id,
    {waiting}, false, %(at)s, %(not_before)s, %(not_before)s, 0, '', %(by_day_only)s
FROM ({rows}) AS w JOIN robots_robot r ON r.id = w.robot_id ORDER BY w.place
RETURNING id
"""


def private_messages_sql(rows: str) -> str:
    """Return SQL that inserts a private message for each of `rows`, a query of (robot_id, user_code, text, source_id, place).

    Messages of one ordering key go out in the order of `place`. The SQL has the parameters `source_type`, `at`, `not_before` (not
    before `at`) and `by_day_only`, and returns (id).
    """
    return _INSERT_PRIVATE_MESSAGES.format(rows=rows, **_CONSTANTS)


def group_messages_sql(rows: str) -> str:
    """Return SQL that inserts a group message for each of `rows`, a query of (robot_id, group_code, content, place).

    Messages of one group go out in the order of `place`. The SQL has the parameters `source_type`, `source_id` and `at`,
    and returns (id, group_code).
    """
    return _INSERT_GROUP_MESSAGES.format(rows=rows, **_CONSTANTS)
