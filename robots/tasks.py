"""Background work of robots."""

from celery import shared_task
from django.utils import timezone

from config.clock import day_of
from robots import pool, roster, sender


@shared_task
def send_outbox() -> int:
    return sender.drain()


@shared_task
def snapshot_quotas() -> int:
    return pool.snapshot_quotas(day_of(timezone.now()))


@shared_task
def sync_robots() -> int:
    return roster.sync_robots().total
