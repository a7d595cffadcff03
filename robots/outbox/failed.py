"""Failed messages: after five failed attempts an operator has a message tried again, or closes it."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from robots.models import OutboxMessage
from robots.outbox.writing import change_all, close_all, notify_senders

Status = OutboxMessage.Status


def count_failed() -> int:
    """Return the number of failed messages."""
    return OutboxMessage.objects.failed().count()


def retry_failed(messages: QuerySet[OutboxMessage], *, at: datetime) -> int:
    """Have the failed ones of these messages tried again, with five new attempts. Returns how many there were.

    The messages of a paused launch stay paused.
    """
    with transaction.atomic():
        done = change_all(
            messages.filter(status=Status.FAILED),
            status=Status.WAITING,
            finished_at=None,
            attempts=0,
            next_attempt_at=at,
            last_error="",
        )
        notify_senders()
    return done


def close_failed(messages: QuerySet[OutboxMessage], *, by: str, at: datetime) -> int:
    """Close the failed ones of these messages. Returns how many there were. Their attempts keep the gateway's answers."""
    return close_all(messages.filter(status=Status.FAILED), reason=f"由 {by} 关闭", at=at)


def close_of_group(*, group_code: str, reason: str, at: datetime) -> int:
    """Close the failed messages of a group, which belong to a binding that has ended. Returns how many there were."""
    return close_all(OutboxMessage.objects.failed().filter(group_code=group_code), reason=reason, at=at)
