"""Answering: which batches a message triggers, and how often they may speak."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F

from groups.models import Group
from keywords.models import KeywordBatch, KeywordReply
from robots import outbox

SAME_SPEAKER_EVERY = timedelta(seconds=10)

# A group has few keywords, so the database looks through them where they are: always fresh, one query a message.
_TRIGGERED = """
SELECT DISTINCT batch_id FROM keywords_groupkeyword WHERE group_id = %s AND strpos(%s, folded) > 0
"""
# Of several messages at once one gets the reply.
_TAKE_TURNS = """
INSERT INTO keywords_keywordreply (batch_id, speaker_code, replied_at)
SELECT batch_id, %(speaker)s, %(at)s FROM unnest(%(batches)s::uuid[]) AS t(batch_id)
ON CONFLICT (batch_id, speaker_code) DO UPDATE SET replied_at = EXCLUDED.replied_at
WHERE keywords_keywordreply.replied_at <= %(until)s
RETURNING batch_id
"""


def answer(*, group: Group, speaker_code: str, words: str, cause: str, at: datetime) -> int:
    """Reply to the speaker once for each batch that the words trigger; how many replies."""
    batches = _take_turns(_triggered(group, words), speaker_code, at)
    if not batches:
        return 0
    KeywordBatch.objects.filter(pk__in=batches).update(trigger_count=F("trigger_count") + 1)
    for batch in KeywordBatch.objects.filter(pk__in=batches).order_by("created_at", "pk"):
        outbox.say_in_group(
            robot=group.robot,
            group_code=group.code,
            content=outbox.text(batch.reply_content),
            mentions=[speaker_code],
            cause=cause,
            at=at,
        )
    return len(batches)


def _triggered(group: Group, words: str) -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(_TRIGGERED, [group.pk, words.casefold()])
        return [row[0] for row in cursor.fetchall()]


def _take_turns(batches: Sequence[UUID], speaker_code: str, at: datetime) -> list[UUID]:
    if not batches:
        return []
    words: dict[str, Any] = {
        "batches": sorted(batches),
        "speaker": speaker_code,
        "at": at,
        "until": at - SAME_SPEAKER_EVERY,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_TURNS, words)
        return [row[0] for row in cursor.fetchall()]


def forget_old(*, at: datetime) -> int:
    """Clocks that ran out long ago; how many."""
    count, _ = KeywordReply.objects.filter(replied_at__lt=at - timedelta(days=1)).delete()
    return count
