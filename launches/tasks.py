"""Background work of launches and mass messages."""

from celery import shared_task
from django.utils import timezone

from config.platform.sweeps import sweep
from launches import drafts, firing, results, switch_changes


@shared_task
def report_results() -> int:
    return results.report_due()


@shared_task
def report_switches() -> int:
    return switch_changes.report_due()


@shared_task
@sweep
def fire_mass_messages() -> int:
    return firing.fire_due()


@shared_task
def forget_old_drafts() -> int:
    return drafts.forget_old(at=timezone.now())
