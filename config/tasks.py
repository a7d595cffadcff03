"""Celery tasks that belong to no single app."""

from celery import shared_task
from django.utils import timezone

from config.backoffice import dashboard, sessions
from config.platform.sweeps import sweep
from config.site import short_links, visits


@shared_task
@sweep
def flush_clicks() -> int:
    return short_links.store_clicks()


@shared_task
@sweep
def flush_visits() -> int:
    return visits.flush()


@shared_task
@sweep
def recount_figures() -> int:
    """Recompute the past days of the dashboard's charts."""
    return dashboard.recompute(at=timezone.now())


@shared_task
@sweep
def forget_ended_sessions() -> int:
    return sessions.forget_ended(at=timezone.now())
