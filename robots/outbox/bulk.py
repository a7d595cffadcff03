"""SQL that writes messages to very many receivers in one statement, from a query that selects the receivers.

The caller runs the statement, and `writing.notify_senders()` in the same transaction. Columns that are not named have the
defaults of `OutboxMessage` in the database.
"""

from integrations.gateway.payloads import MessageType

_COMMON = {"robot_id": "w.robot_id", "source_type": "%(source_type)s", "created_at": "%(at)s"}
_GROUP_MESSAGE = _COMMON | {
    "group_code": "w.group_code",
    "ordering_key": "'g:' || w.group_code",
    "content": "w.content",
    "source_id": "%(source_id)s",
    "not_before": "%(at)s",
    "next_attempt_at": "%(at)s",
}
_PRIVATE_MESSAGE = _COMMON | {
    "user_code": "w.user_code",
    "ordering_key": "'p:' || r.code || ':' || w.user_code",
    "content": f"jsonb_build_object('type', {MessageType.TEXT.value}, 'content', w.text)",
    "source_id": "w.source_id",
    "not_before": "%(not_before)s",
    "next_attempt_at": "%(not_before)s",
    "by_day_only": "%(by_day_only)s",
}


def private_messages_sql(rows: str) -> str:
    """Return SQL that inserts a private message for each of `rows`, a query of (robot_id, user_code, text, source_id, place).

    Messages of one ordering key go out in the order of `place`. The SQL has the parameters `source_type`, `at`,
    `not_before` (not before `at`) and `by_day_only`, and returns (id).
    """
    return _insert(
        _PRIVATE_MESSAGE, f"({rows}) AS w JOIN robots_robot r ON r.id = w.robot_id ORDER BY w.place", "id"
    )


def group_messages_sql(rows: str) -> str:
    """Return SQL that inserts a group message for each of `rows`, a query of (robot_id, group_code, content, place).

    Messages of one group go out in the order of `place`. The SQL has the parameters `source_type`, `source_id` and `at`,
    and returns (id, group_code).
    """
    return _insert(_GROUP_MESSAGE, f'({rows}) AS w ORDER BY w.group_code COLLATE "C", w.place', "id, group_code")


def _insert(columns: dict[str, str], source: str, returning: str) -> str:
    return f"""
    INSERT INTO robots_outboxmessage ({", ".join(columns)})
    SELECT {", ".join(columns.values())} FROM {source}
    RETURNING {returning}
    """  # noqa: S608 - our own SQL
