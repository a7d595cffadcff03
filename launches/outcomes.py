"""What became of mass messages, group by group, and taking them back.

Rows are locked from the outbox to mass messages to their groups, as senders do it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from accounts.models import User
from config.errors import Conflict
from config.lookups import as_uuid
from launches import mass_messages
from launches.models import MassMessage, MassMessageGroup
from robots import outbox
from robots.models import OutboxMessage
from robots.signals import SettledMessage

Status = MassMessage.Status
RECALLABLE_FOR = timedelta(minutes=2)  # WeChat's own limit
TAKEN_BACK = "用户撤回"
_END_OF = {
    OutboxMessage.Status.SENT: Status.SENT,
    OutboxMessage.Status.PARKED: Status.FAILED,
    OutboxMessage.Status.CLOSED: Status.FAILED,
}
_SETTLE = """
UPDATE launches_massmessagegroup g
SET status = told.status, settled_at = %(at)s, reason = CASE WHEN told.status = 1 THEN '' ELSE told.reason END
FROM unnest(%(ids)s::bigint[], %(statuses)s::smallint[], %(reasons)s::text[]) AS told(message_id, status, reason)
WHERE g.message_id = told.message_id
"""


class TooLate(Conflict):
    message = "已经撤回过，或发送超过两分钟，不能撤回"


def settle(messages: Iterable[SettledMessage], *, at: datetime) -> None:
    """Take over what became of these messages; what was not said for a mass message is passed over."""
    said = [message for message in messages if message.cause.startswith("mass_message:")]
    asked = [message for message in messages if message.cause.startswith("mass_recall:")]
    ids = sorted({_subject_of(message) for message in (*said, *asked)})
    if not ids:
        return
    with transaction.atomic():
        _lock(ids)
        _note(said, at)
        _recall_what_came_late(said, at)
        for message in asked:
            _note_recall(message)
        conclude(ids)


def recall(*, user: User, message_id: str, at: datetime) -> None:
    """Take a mass message back: what waits is not sent, what was sent just now is recalled. 1409 when it is too late."""
    message = mass_messages.one(user, message_id)
    if not _cancel(message, at):
        _recall_sent(message, at)


def conclude(ids: Iterable[UUID]) -> None:
    """With no group waiting or recalled a mass message was sent, or failed when it was sent nowhere."""
    for message_id in ids:
        groups = MassMessageGroup.objects.filter(mass_message=message_id)
        states = set(groups.values_list("status", flat=True))
        if not states & {Status.WAITING, Status.RECALLED}:
            outcome = Status.SENT if Status.SENT in states else Status.FAILED
            MassMessage.objects.filter(pk=message_id).update(status=outcome)


def _lock(ids: Sequence[UUID]) -> None:
    list(MassMessage.objects.select_for_update().filter(pk__in=ids).order_by("pk").values_list("pk"))


def _subject_of(message: SettledMessage) -> UUID:
    return as_uuid(message.cause.partition(":")[2]) or UUID(int=0)


def _note(said: Sequence[SettledMessage], at: datetime) -> None:
    words: dict[str, Any] = {
        "at": at,
        "ids": [message.pk for message in said],
        "statuses": [int(_end_of(message)) for message in said],
        "reasons": [message.reason for message in said],
    }
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, words)


def _end_of(message: SettledMessage) -> MassMessage.Status:
    return Status.RECALLED if message.reason == TAKEN_BACK else _END_OF[OutboxMessage.Status(message.status)]


def _recall_what_came_late(said: Sequence[SettledMessage], at: datetime) -> None:
    """A sender had it in hand when the user took it back, or an operator retried it since."""
    late = MassMessageGroup.objects.filter(
        message__in=[message.pk for message in said], status=Status.SENT, mass_message__recalled_at__isnull=False
    )
    _ask_to_recall(list(late.select_related("message__robot", "mass_message")), at)


def _note_recall(asked: SettledMessage) -> None:
    """The gateway did not recall it: it stands in the group."""
    if asked.status != OutboxMessage.Status.SENT:
        group_codes = OutboxMessage.objects.filter(pk=asked.pk).values("group_code")
        MassMessageGroup.objects.filter(
            mass_message=_subject_of(asked), message__group_code__in=group_codes, status=Status.RECALLED
        ).update(status=Status.SENT, reason=f"撤回失败:{asked.reason}"[:200])


def _cancel(message: MassMessage, at: datetime) -> bool:
    """Before it goes out it is as if it had never been: its place of the day and its minutes are free again."""
    with transaction.atomic():
        waiting = MassMessage.objects.filter(pk=message.pk, status=Status.WAITING, fired_at=None)
        cancelled = bool(waiting.update(status=Status.RECALLED, recalled_at=at, slot=None))
        if cancelled:
            message.groups.update(status=Status.RECALLED, settled_at=at, minute=None, reason=TAKEN_BACK)
    return cancelled


def _recall_sent(message: MassMessage, at: datetime) -> None:
    with transaction.atomic():
        closed = outbox.close_waiting(cause=message.cause, reason=TAKEN_BACK, at=at)
        _lock([message.pk])
        sent = message.groups.filter(status=Status.SENT, settled_at__gt=at - RECALLABLE_FOR)
        fresh = list(sent.select_related("message__robot", "mass_message"))
        if not closed and not fresh:
            raise TooLate
        _ask_to_recall(fresh, at)
        MassMessage.objects.filter(pk=message.pk).update(status=Status.RECALLED, recalled_at=at)


def _ask_to_recall(parts: Sequence[MassMessageGroup], at: datetime) -> None:
    """The gateway is asked group by group; a group counts as recalled unless the gateway refuses."""
    requests = [
        outbox.request(
            outbox.Operation.RECALL,
            robot=part.message.robot,
            group_code=part.message.group_code,
            content={"message_no": str(part.message.message_no)},
            cause=f"mass_recall:{part.mass_message_id}",
            at=at,
        )
        for part in parts
        if part.message
    ]
    outbox.post_all(requests)
    MassMessageGroup.objects.filter(pk__in=[part.pk for part in parts]).update(status=Status.RECALLED)
