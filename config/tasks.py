"""Background work of the whole service."""

from celery import shared_task

from config import links, visits
from config.sweeps import sweep


@shared_task
@sweep
def flush_clicks() -> int:
    return links.flush_clicks()


@shared_task
@sweep
def flush_visits() -> int:
    return visits.flush()
