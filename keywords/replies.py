"""Replies to keywords: the batches that a text triggers, and the cooldown per speaker."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from config.platform import db
from keywords.matcher import matcher
from keywords.models import KeywordReply
from robots.models import OutboxMessage, Robot, Source
from robots.outbox import writing

SPEAKER_COOLDOWN = timedelta(seconds=10)

# Keywords of former owners and of blocked users get no reply, nor do paused ones, which the matcher still finds.
_KEYWORDS_FOUND = """
unnest(%(groups)s::text[], %(keywords)s::text[]) AS found(code, folded)
JOIN groups_group g ON g.code = found.code AND g.cancelled_at IS NULL
JOIN keywords_groupkeyword k ON k.group_id = g.id AND k.folded = found.folded
JOIN keywords_keywordbatch b ON b.id = k.batch_id AND b.paused_at IS NULL
JOIN accounts_user u ON u.id = b.user_id AND u.blocked_at IS NULL
    AND (g.user_id = u.id OR (g.wechat_owner_code <> '' AND g.wechat_owner_code = u.code))
"""
# Batches are locked in one order, against deadlocks. An edit waits for the lock too, and replies after it use its result.
_LOCK = f"""
SELECT id FROM keywords_keywordbatch WHERE id IN (SELECT b.id FROM {_KEYWORDS_FOUND}) ORDER BY id FOR NO KEY UPDATE
"""  # noqa: S608 - constants of this module
_TRIGGERED = f"""
SELECT g.code, g.robot_id, r.code, b.id, b.reply_content FROM {_KEYWORDS_FOUND} JOIN robots_robot r ON r.id = g.robot_id
GROUP BY g.code, g.robot_id, r.code, b.id ORDER BY max(length(k.folded)) DESC, b.created_at, b.id
"""  # noqa: S608
# Of several messages that arrive at once one gets the reply: the others find the row of the cooldown.
_START_COOLDOWNS = """
INSERT INTO keywords_keywordreply (batch_id, speaker_code, replied_at)
SELECT * FROM unnest(%(batches)s::uuid[], %(speakers)s::text[], %(at)s::timestamptz[]) AS t(batch, speaker, sent_at)
ORDER BY batch, speaker
ON CONFLICT (batch_id, speaker_code) DO UPDATE SET replied_at = EXCLUDED.replied_at
WHERE keywords_keywordreply.replied_at <= EXCLUDED.replied_at - %(cooldown)s
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
    text: str
    at_users: Sequence[str]
    source: Source
    at: datetime


@dataclass(frozen=True)
class KeywordAnswer:
    """The reply of a batch to one text."""

    received: ReceivedText
    robot_id: UUID
    batch_id: UUID
    content: str


def send_replies(texts: Iterable[ReceivedText]) -> int:
    """Reply to each speaker once for each batch that a text triggers, the longest keyword first.

    Returns how many replies were sent.
    """
    hits = [(text, keywords) for text in texts if (keywords := matcher.find(text.group_code, text.text))]
    if not hits:
        return 0
    replies = _outside_cooldown(_triggered(hits))
    _count(replies)
    robots = Robot.objects.in_bulk({reply.robot_id for reply in replies})
    writing.post_all([_message(reply, robots[reply.robot_id]) for reply in replies])
    return len(replies)


def _triggered(hits: Sequence[tuple[ReceivedText, Sequence[str]]]) -> list[KeywordAnswer]:
    """Lock the batches of these keywords. Returns their replies as the database has them now."""
    pairs = [(text.group_code, keyword) for text, keywords in hits for keyword in keywords]
    params = {"groups": [code for code, _ in pairs], "keywords": [keyword for _, keyword in pairs]}
    db.execute(_LOCK, params)
    triggered = defaultdict(list)
    for group_code, *row in db.rows(_TRIGGERED, params):
        triggered[group_code].append(row)
    return [
        KeywordAnswer(text, robot_id, batch_id, content)
        for text, _ in hits
        for robot_id, robot_code, batch_id, content in triggered[text.group_code]
        if _gets_reply(text, robot_code)
    ]


def _gets_reply(text: ReceivedText, robot_code: str) -> bool:
    """Return whether the text is not the robot's own and, with KEYWORD_NEEDS_MENTION, mentions the robot."""
    if text.speaker_code == robot_code:
        return False
    return not settings.KEYWORD_NEEDS_MENTION or robot_code in text.at_users


def _outside_cooldown(replies: list[KeywordAnswer]) -> list[KeywordAnswer]:
    """Return the replies that come at least ten seconds after the last of the batch to the same speaker.

    Of several replies to one speaker the earlier text is decided first.
    """
    granted: list[KeywordAnswer] = []
    positions = {id(reply): position for position, reply in enumerate(replies)}
    while replies:
        first = {(reply.batch_id, reply.received.speaker_code): reply for reply in reversed(replies)}
        taken = _start_cooldowns(first.values())
        granted += [reply for key, reply in first.items() if key in taken]
        chosen = {id(reply) for reply in first.values()}
        replies = [reply for reply in replies if id(reply) not in chosen]
    return sorted(granted, key=lambda reply: positions[id(reply)])


def _start_cooldowns(replies: Iterable[KeywordAnswer]) -> set[tuple[UUID, str]]:
    listed = list(replies)
    params = {
        "batches": [reply.batch_id for reply in listed],
        "speakers": [reply.received.speaker_code for reply in listed],
        "at": [reply.received.at for reply in listed],
        "cooldown": SPEAKER_COOLDOWN,
    }
    return set(db.rows(_START_COOLDOWNS, params))


def _count(replies: Sequence[KeywordAnswer]) -> None:
    times = Counter(reply.batch_id for reply in replies)
    db.execute(_COUNT, [list(times), list(times.values())])


def _message(reply: KeywordAnswer, robot: Robot) -> OutboxMessage:
    return writing.group_message(
        robot=robot,
        group_code=reply.received.group_code,
        content=writing.text(reply.content),
        mentions=[reply.received.speaker_code],
        source=reply.received.source,
        at=reply.received.at,
    )


def delete_old_replies(*, at: datetime) -> int:
    """Delete times of replies older than a day. Returns how many."""
    count, _ = KeywordReply.objects.filter(replied_at__lt=at - timedelta(days=1)).delete()
    return count
