"""Background work of groups."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from config.clock import day_of
from groups import apprentices, cancel_jobs, statistics


@shared_task
def run_cancel_jobs() -> int:
    return cancel_jobs.run_waiting()


@shared_task
def roll_up_statistics() -> int:
    return statistics.roll_up(day_of(timezone.now()) - timedelta(days=1))


@shared_task
def forget_old_messages() -> int:
    return statistics.forget_old(at=timezone.now())


@shared_task
def remind_newcomers() -> int:
    return apprentices.remind_newcomers(at=timezone.now())
