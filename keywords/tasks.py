"""Background work of keywords."""

from celery import shared_task
from django.utils import timezone

from keywords import replies


@shared_task
def forget_old_replies() -> int:
    return replies.delete_old_replies(at=timezone.now())
