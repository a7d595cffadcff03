"""Dead letters: messages tried five times in vain. An operator has them tried again, or closes them."""

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from robots.models import OutboxMessage
from robots.outbox.writing import change_all, close_all, notify_senders

Status = OutboxMessage.Status


def count() -> int:
    """How many there are."""
    return OutboxMessage.objects.failed().count()


def retry(messages: QuerySet[OutboxMessage], *, at: datetime) -> int:
    """Have those of these that are parked tried again, from the first try on; how many were.

    What is held back, of a paused launch, stays so.
    """
    with transaction.atomic():
        done = change_all(
            messages.filter(status=Status.FAILED),
            status=Status.WAITING,
            settled_at=None,
            try_count=0,
            retry_at=at,
            reason="",
        )
        notify_senders()
    return done


def close(messages: QuerySet[OutboxMessage], *, by: str, at: datetime) -> int:
    """Give up on those of these that are parked; how many were. What the gateway answered stays in their tries."""
    return close_all(messages.filter(status=Status.FAILED), reason=f"由 {by} 关闭", at=at)


def close_of_group(*, group_code: str, reason: str, at: datetime) -> int:
    """Close those of a group, which are about a life of it that is over; how many."""
    return close_all(OutboxMessage.objects.failed().filter(group_code=group_code), reason=reason, at=at)
