"""Background work of feedback."""

from celery import shared_task
from django.utils import timezone

from feedback import conversations, forwarding


@shared_task
def forget_digests() -> int:
    return conversations.delete_expired_digests(at=timezone.now())


@shared_task
def forward_messages() -> int:
    return forwarding.forward_waiting()


@shared_task
def close_silent_conversations() -> int:
    return conversations.close_silent(at=timezone.now())


@shared_task
def forget_old_conversations() -> int:
    return conversations.delete_old_conversations(at=timezone.now())
