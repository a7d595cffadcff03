"""Answering: which batches a message triggers, and how often they may speak."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from keywords.matcher import matcher
from keywords.models import KeywordReply
from robots.models import OutboxMessage, Robot
from robots.outbox import writing

SPEAKER_COOLDOWN = timedelta(seconds=10)

# Whose group it no longer is, and who is blocked, speaks there no more.
_KEYWORDS_FOUND = """
unnest(%(groups)s::text[], %(words)s::text[]) AS named(code, folded)
JOIN groups_group g ON g.code = named.code AND g.cancelled_at IS NULL
JOIN keywords_groupkeyword k ON k.group_id = g.id AND k.folded = named.folded
JOIN keywords_keywordbatch b ON b.id = k.batch_id
JOIN accounts_user u ON u.id = b.user_id AND u.blocked_at IS NULL
    AND (g.user_id = u.id OR (g.wechat_owner_code <> '' AND g.wechat_owner_code = u.code))
"""
# In one order, so that no two wait for each other; an edit waits too, and after it nothing old is answered.
_LOCK = f"""
SELECT id FROM keywords_keywordbatch WHERE id IN (SELECT b.id FROM {_KEYWORDS_FOUND}) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - constants of this module
_TRIGGERED = f"""
SELECT g.code, g.robot_id, r.code, b.id, b.reply_content FROM {_KEYWORDS_FOUND} JOIN robots_robot r ON r.id = g.robot_id
GROUP BY g.code, g.robot_id, r.code, b.id ORDER BY max(length(k.folded)) DESC, b.created_at, b.id
"""  # noqa: S608
# Of several messages at once one gets the reply.
_START_COOLDOWNS = """
INSERT INTO keywords_keywordreply (batch_id, speaker_code, replied_at)
SELECT * FROM unnest(%(batches)s::uuid[], %(speakers)s::text[], %(at)s::timestamptz[]) AS t(batch, speaker, said_at)
ORDER BY batch, speaker
ON CONFLICT (batch_id, speaker_code) DO UPDATE SET replied_at = EXCLUDED.replied_at
WHERE keywords_keywordreply.replied_at <= EXCLUDED.replied_at - %(pause)s
RETURNING batch_id, speaker_code
"""
_COUNT = """
UPDATE keywords_keywordbatch b SET trigger_count = trigger_count + t.times
FROM unnest(%s::uuid[], %s::int[]) AS t(id, times) WHERE b.id = t.id
"""


@dataclass(frozen=True)
class ReceivedText:
    """A person's text in a group."""

    group_code: str
    speaker_code: str
    words: str
    at_users: Sequence[str]
    cause: str
    at: datetime


@dataclass(frozen=True)
class KeywordAnswer:
    """What a batch has to say to somebody."""

    said: ReceivedText
    robot_id: UUID
    batch_id: UUID
    content: str


def send_replies(heard: Iterable[ReceivedText]) -> int:
    """Reply to each speaker once for each batch that the words trigger, the longest keyword first; how many."""
    hits = [(said, words) for said in heard if (words := matcher.found(said.group_code, said.words))]
    if not hits:
        return 0
    replies = _outside_cooldown(_triggered(hits))
    _count(replies)
    robots = Robot.objects.in_bulk({reply.robot_id for reply in replies})
    writing.post_all([_message(reply, robots[reply.robot_id]) for reply in replies])
    return len(replies)


def _triggered(hits: Sequence[tuple[ReceivedText, Sequence[str]]]) -> list[KeywordAnswer]:
    """What the database says of these keywords now, its batches locked."""
    pairs = [(said.group_code, word) for said, words in hits for word in words]
    named = {"groups": [code for code, _ in pairs], "words": [word for _, word in pairs]}
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, named)
        cursor.execute(_TRIGGERED, named)
        rows = cursor.fetchall()
    return [
        KeywordAnswer(said, robot_id, batch_id, content)
        for said, _ in hits
        for group_code, robot_id, robot_code, batch_id, content in rows
        if group_code == said.group_code and _is_for(said, robot_code)
    ]


def _is_for(said: ReceivedText, robot_code: str) -> bool:
    """Not the robot's own words; and with KEYWORD_NEEDS_MENTION only what mentions it."""
    if said.speaker_code == robot_code:
        return False
    return not settings.KEYWORD_NEEDS_MENTION or robot_code in said.at_users


def _outside_cooldown(replies: list[KeywordAnswer]) -> list[KeywordAnswer]:
    """Those that come ten seconds after the last to the same speaker; of several to one speaker each in its turn."""
    granted: list[KeywordAnswer] = []
    places = {id(reply): place for place, reply in enumerate(replies)}
    while replies:
        first = {(reply.batch_id, reply.said.speaker_code): reply for reply in reversed(replies)}
        taken = _start_cooldowns(first.values())
        granted += [reply for key, reply in first.items() if key in taken]
        chosen = {id(reply) for reply in first.values()}
        replies = [reply for reply in replies if id(reply) not in chosen]
    return sorted(granted, key=lambda reply: places[id(reply)])


def _start_cooldowns(replies: Iterable[KeywordAnswer]) -> set[tuple[UUID, str]]:
    listed = list(replies)
    words: dict[str, Any] = {
        "batches": [reply.batch_id for reply in listed],
        "speakers": [reply.said.speaker_code for reply in listed],
        "at": [reply.said.at for reply in listed],
        "pause": SPEAKER_COOLDOWN,
    }
    with connection.cursor() as cursor:
        cursor.execute(_START_COOLDOWNS, words)
        return set(cursor.fetchall())


def _count(replies: Sequence[KeywordAnswer]) -> None:
    times = Counter(reply.batch_id for reply in replies)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [list(times), list(times.values())])


def _message(reply: KeywordAnswer, robot: Robot) -> OutboxMessage:
    return writing.group_message(
        robot=robot,
        group_code=reply.said.group_code,
        content=writing.text(reply.content),
        mentions=[reply.said.speaker_code],
        cause=reply.said.cause,
        at=reply.said.at,
    )


def forget_old(*, at: datetime) -> int:
    """Clocks that ran out long ago; how many."""
    count, _ = KeywordReply.objects.filter(replied_at__lt=at - timedelta(days=1)).delete()
    return count
