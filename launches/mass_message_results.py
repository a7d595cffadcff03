"""Results of mass messages in each group, and their recall.

A mass message has a part per group. The status of a part is derived from the part's messages and recalls in the outbox,
whenever one of these is finished. Rows are locked in the order of senders: the outbox, mass messages, their parts.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from config.errors import Conflict
from config.platform import db
from config.platform.queues import JobStatus
from launches import mass_messages
from launches.models import MassMessage, MassMessageGroup, ScheduledSending
from robots.models import OutboxMessage, Source, SourceType, written_for
from robots.outbox import writing
from robots.signals import FinishedMessage

Status = MassMessage.Status
Part = tuple[UUID, str]  # the mass message and the group's code
RECALLABLE_FOR = timedelta(minutes=2)  # WeChat's own limit
RECALLED_REASON = "已撤回"  # also of messages closed by a recall; `MassMessage` names the operator
_SOURCES = (SourceType.MASS_MESSAGE, SourceType.MASS_RECALL)
_ASKED = (OutboxMessage.Status.WAITING, OutboxMessage.Status.SENT)  # statuses of a recall that was not refused
_CONSTANTS = db.enum_params(message=OutboxMessage.Status, part=Status, source=SourceType) | {"asked": _ASKED}

# A message is `visible` once it was sent, until the gateway is asked to recall it; a refused recall leaves it visible. It
# is `unsent` when it was recalled before it was sent, and `lost` when it failed or was closed for another reason. One
# lost message fails the part while the others are still sent, as with deliveries of launches. A part has failed, too, when
# one message is visible and another was never sent.
_UPDATE_PARTS = """
WITH parts AS MATERIALIZED (
    SELECT p.id, p.status AS before, g.code AS group_code, p.mass_message_id::text AS source_id
    FROM unnest(%(ids)s::uuid[], %(codes)s::text[]) AS t(mass_message_id, group_code)
    JOIN groups_group g ON g.code = t.group_code
    JOIN launches_massmessagegroup p ON p.mass_message_id = t.mass_message_id AND p.group_id = g.id
), counted AS (
    SELECT parts.id, parts.before,
        count(*) FILTER (WHERE o.status = %(message_waiting)s) AS waiting,
        count(*) FILTER (WHERE o.status = %(message_sent)s AND NOT recall.is_asked) AS visible,
        count(*) FILTER (WHERE o.status = %(message_sent)s AND recall.is_asked) AS recalled,
        count(*) FILTER (WHERE o.status = %(message_closed)s AND o.last_error = %(recalled_reason)s) AS unsent,
        count(*) FILTER (WHERE is_lost) AS lost,
        max(o.last_error) FILTER (WHERE is_lost) AS loss,
        '撤回失败：' || max(recall.refusal) AS refusal
    FROM parts
    JOIN robots_outboxmessage o ON o.source_type = %(source_mass_message)s
        AND o.source_id = parts.source_id AND o.group_code = parts.group_code
    CROSS JOIN LATERAL (
        SELECT o.status = %(message_failed)s
            OR o.status = %(message_closed)s AND o.last_error <> %(recalled_reason)s AS is_lost
    ) fate
    CROSS JOIN LATERAL (
        SELECT COALESCE(bool_or(r.status IN %(asked)s), false) AS is_asked,
            max(r.last_error) FILTER (WHERE r.status NOT IN %(asked)s) AS refusal
        FROM robots_outboxmessage r
        WHERE r.source_type = %(source_mass_recall)s AND r.source_id = parts.source_id AND r.group_code = parts.group_code
          AND r.content ->> 'message_no' = o.message_no::text
    ) recall
    GROUP BY parts.id, parts.before
), decided AS (
    SELECT id, CASE
        WHEN lost > 0 AND (waiting + visible > 0 OR recalled + unsent = 0) THEN %(part_failed)s
        WHEN waiting > 0 THEN before
        WHEN visible = 0 THEN %(part_recalled)s
        WHEN unsent > 0 THEN %(part_failed)s
        ELSE %(part_sent)s END AS status, loss, refusal
    FROM counted
)
UPDATE launches_massmessagegroup p
SET status = decided.status, settled_at = %(at)s,
    reason = left(CASE decided.status
        WHEN %(part_sent)s THEN COALESCE(decided.refusal, '')
        WHEN %(part_failed)s THEN COALESCE(decided.loss, decided.refusal, %(recalled_reason)s)
        ELSE %(recalled_reason)s END, 200)
FROM decided
WHERE p.id = decided.id AND p.status <> decided.status
"""


class RecallTooLate(Conflict):
    message = "已经撤回过，或发送超过两分钟，不能撤回"


def update_parts_of(messages: Iterable[FinishedMessage], *, at: datetime) -> None:
    """Update the parts of mass messages to which these messages and recalls belong; skip all others."""
    mine = [message for message in messages if message.source_type in _SOURCES]
    if not mine:
        return
    parts = {(_mass_message_id_of(message), message.group_code) for message in mine}
    ids = sorted({message_id for message_id, _ in parts})
    with transaction.atomic():
        recalled = _lock(ids)
        _recall_late_messages([message for message in mine if _mass_message_id_of(message) in recalled], at)
        _update_parts(parts, at)
        finish_mass_messages(ids)


def recall(*, user: User, message_id: str, at: datetime) -> None:
    """Recall a mass message: close waiting messages, recall those sent within two minutes.

    Raises MassMessageUnknown (1404), or RecallTooLate (1409) when no message can be recalled.
    """
    message = mass_messages.mass_message_of_user(user, message_id)
    if not stop_scheduled([message.pk], at=at) and not recall_sent([message.pk], at=at):
        raise RecallTooLate


def finish_mass_messages(ids: Iterable[UUID]) -> None:
    """Mark mass messages without waiting or recalled parts as sent or, when every part has failed, as failed."""
    for message_id in ids:
        groups = MassMessageGroup.objects.filter(mass_message=message_id)
        states = set(groups.values_list("status", flat=True))
        if not states & {Status.WAITING, Status.RECALLED}:
            outcome = Status.SENT if Status.SENT in states else Status.FAILED
            MassMessage.objects.filter(pk=message_id).update(status=outcome)


def _lock(ids: Sequence[UUID]) -> set[UUID]:
    """Lock these mass messages, in a statement of its own, so that the next one sees what others wrote before.

    Returns the ids of those that were recalled.
    """
    rows = MassMessage.objects.select_for_update().filter(pk__in=ids).order_by("pk")
    return {pk for pk, recalled_at in rows.values_list("pk", "recalled_at") if recalled_at is not None}


def _mass_message_id_of(message: FinishedMessage) -> UUID:
    return UUID(message.source_id)


def _update_parts(parts: Collection[Part], at: datetime) -> None:
    """Store the status of each of these parts. The caller has locked the mass messages."""
    params = {
        **_CONSTANTS,
        "ids": [message_id for message_id, _ in parts],
        "codes": [group_code for _, group_code in parts],
        "recalled_reason": RECALLED_REASON,
        "at": at,
    }
    db.execute(_UPDATE_PARTS, params)


def _recall_late_messages(messages: Sequence[FinishedMessage], at: datetime) -> None:
    """Recall messages that a sender was sending during the recall, or that an operator retried after it."""
    sent = [message.pk for message in messages if message.status == OutboxMessage.Status.SENT]
    messages_sent = OutboxMessage.objects.filter(pk__in=sent, operation=writing.Operation.SEND)
    _request_recall(list(messages_sent.select_related("robot")), at)


def stop_scheduled(ids: Iterable[UUID], *, at: datetime, by: str = "", reason: str = "") -> int:
    """Cancel mass messages that are not due yet, which frees their slots of the day and their minutes.

    `by` and `reason` are of an operator. Returns how many were not due.
    """
    with transaction.atomic():
        return sum(_stop(pk, at, {"recalled_by": by, "recall_reason": reason}) for pk in sorted(ids))


def _stop(pk: UUID, at: datetime, who: dict[str, str]) -> bool:
    waiting = MassMessage.objects.filter(pk=pk, status=Status.WAITING, queued_at=None)
    if not waiting.update(status=Status.RECALLED, recalled_at=at, slot=None, **who):
        return False
    parts = MassMessageGroup.objects.filter(mass_message=pk)
    parts.update(status=Status.RECALLED, settled_at=at, minute=None, reason=RECALLED_REASON)
    ScheduledSending.objects.filter(pk=pk).finish_all(at=at, status=JobStatus.CLOSED, error=RECALLED_REASON)
    return True


def recall_sent(ids: Iterable[UUID], *, at: datetime, by: str = "", reason: str = "") -> int:
    """Close the waiting messages of these mass messages and recall those sent within two minutes.

    `by` and `reason` are of an operator. Returns how many mass messages had a message to close or recall.
    """
    messages = list(MassMessage.objects.filter(pk__in=list(ids)).order_by("pk"))
    with transaction.atomic():
        stopped = _close_waiting(messages, at)
        _lock([message.pk for message in messages])
        to_recall = _recallable(messages, at)
        _request_recall(to_recall, at)
        _update_parts({(UUID(sent.source_id), sent.group_code) for sent in to_recall}, at)
        done = stopped | {sent.source_id for sent in to_recall}
        changed = [message for message in messages if message.source.id in done]
        for message in changed:
            is_recalled = message.groups.filter(status=Status.RECALLED).exists()
            # When only waiting messages could be stopped, sent messages stay visible, and so does the row in the user's list.
            change: dict[str, Any] = {"status": Status.RECALLED} if is_recalled else {}
            change |= {"recalled_at": at, "recalled_by": by, "recall_reason": reason}
            MassMessage.objects.filter(pk=message.pk).update(**change)
        finish_mass_messages(message.pk for message in changed)
    return len(changed)


def _close_waiting(messages: Sequence[MassMessage], at: datetime) -> set[str]:
    """Close the unsent messages of these mass messages. Returns the sources of those that were waiting."""
    sources = [message.source for message in messages]
    writing.lock_unsent(sources)
    waiting = OutboxMessage.objects.waiting().filter(written_for(sources))
    stopped = set(waiting.values_list("source_id", flat=True))
    writing.close_messages(writing.Closing(RECALLED_REASON, sources=sources), at=at)
    return stopped


def _recallable(messages: Sequence[MassMessage], at: datetime) -> list[OutboxMessage]:
    """Return the messages sent within two minutes whose recall was not requested yet."""
    of_recalls = written_for(message.recall_source for message in messages)
    recalls = OutboxMessage.objects.filter(of_recalls, status__in=_ASKED)
    numbers = set(recalls.values_list("content__message_no", flat=True))
    sent = OutboxMessage.objects.filter(
        written_for(message.source for message in messages),
        status=OutboxMessage.Status.SENT,
        finished_at__gt=at - RECALLABLE_FOR,
    )
    rows = sent.select_related("robot").order_by("pk")
    return [row for row in rows if str(row.message_no) not in numbers]


def _request_recall(messages: Sequence[OutboxMessage], at: datetime) -> None:
    """Ask the gateway to recall these messages, which count as recalled unless the gateway refuses."""
    writing.post_all(
        [
            writing.request(
                writing.Operation.RECALL,
                robot=message.robot,
                group_code=message.group_code,
                content={"message_no": str(message.message_no)},
                source=Source(SourceType.MASS_RECALL, message.source_id),
                at=at,
            )
            for message in messages
        ]
    )
