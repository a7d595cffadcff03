"""Background work of groups."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from config.platform.dates import day_of
from config.platform.sweeps import sweep
from groups import apprentices, cancel_jobs, low_stars, statistics


@shared_task
@sweep
def run_cancel_jobs() -> int:
    return cancel_jobs.run_unfinished_jobs()


@shared_task
@sweep
def roll_up_statistics() -> int:
    """Roll up yesterday and missed days. It runs every hour from 0 to 5, to count events that arrive late."""
    at = timezone.now()
    return statistics.roll_up(day_of(at) - timedelta(days=1)) + statistics.roll_up_missed(at=at)


@shared_task
@sweep
def roll_up_missed_statistics() -> int:
    return statistics.roll_up_missed(at=timezone.now())


@shared_task
def forget_old_messages() -> int:
    return statistics.delete_old_messages(at=timezone.now())


@shared_task
@sweep
def remind_newcomers() -> int:
    return apprentices.remind_new_users(at=timezone.now())


@shared_task
def clean_up_low_stars() -> int:
    totals = {int(star): int(total) for star, total in settings.LOW_STAR_TOTALS.items()}
    return low_stars.clean_up(totals=totals, at=timezone.now())
