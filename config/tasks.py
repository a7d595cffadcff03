"""Background work of the whole service."""

from celery import shared_task

from config import links, visits


@shared_task
def flush_clicks() -> int:
    return links.flush_clicks()


@shared_task
def flush_visits() -> int:
    return visits.flush()
