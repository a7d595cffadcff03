"""The celery tasks for gateway events, text messages and alarms."""

from celery import shared_task
from django.utils import timezone

from integrations import alarms
from integrations.aliyun import sms_batches
from integrations.gateway import handling, inbox


@shared_task
def handle_events() -> int:
    return handling.handle_waiting()


@shared_task
def forget_old_events() -> int:
    return inbox.delete_old_events(at=timezone.now())


@shared_task
def send_texts() -> int:
    return sms_batches.send_waiting()


@shared_task
def watch_alarms() -> int:
    return alarms.watch()


@shared_task
def send_alarms() -> int:
    return alarms.send_notices()
