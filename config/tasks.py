"""Background work of the whole service."""

from celery import shared_task

from config import links


@shared_task
def flush_clicks() -> int:
    return links.flush_clicks()
