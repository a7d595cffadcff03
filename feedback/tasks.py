"""Background work of feedback."""

from celery import shared_task
from django.utils import timezone

from feedback import conversations


@shared_task
def forget_digests() -> int:
    return conversations.forget_digests(at=timezone.now())
