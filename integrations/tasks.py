"""Background work of the inbox."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from integrations import inbox


@shared_task
def handle_events() -> int:
    return inbox.handle_waiting()


@shared_task
def forget_old_events() -> int:
    return inbox.forget_handled(before=timezone.now() - timedelta(days=30))
