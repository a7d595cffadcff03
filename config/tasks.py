"""Background work of the whole service."""

from celery import shared_task
from django.utils import timezone

from config import links, visits
from config.backoffice import home, sessions
from config.sweeps import sweep


@shared_task
@sweep
def flush_clicks() -> int:
    return links.flush_clicks()


@shared_task
@sweep
def flush_visits() -> int:
    return visits.flush()


@shared_task
@sweep
def recount_figures() -> int:
    """Count the past days of the operators' charts anew."""
    return home.recount(at=timezone.now())


@shared_task
@sweep
def forget_ended_sessions() -> int:
    return sessions.forget_ended(at=timezone.now())
