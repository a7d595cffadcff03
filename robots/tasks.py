"""The celery tasks of the robots app."""

from celery import shared_task
from django.utils import timezone

from config.platform.dates import day_of
from config.platform.sweeps import sweep
from robots import pool, roster
from robots.outbox import writing


@shared_task
@sweep
def close_for_gone_robots() -> int:
    return writing.close_messages_of_gone_robots(at=timezone.now())


@shared_task
def snapshot_quotas() -> int:
    return pool.store_quotas(day_of(timezone.now()))


@shared_task
@sweep
def sync_robots() -> int:
    return roster.sync_with_gateway().total
