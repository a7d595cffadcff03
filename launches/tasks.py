"""Background work of launches and mass messages."""

from celery import shared_task
from django.utils import timezone

from config.platform.sweeps import sweep
from launches import launch_results, mass_message_drafts, scheduled_sending, switch_changes


@shared_task
def report_results() -> int:
    return launch_results.report_due_results()


@shared_task
def report_switches() -> int:
    return switch_changes.report_due_switches()


@shared_task
@sweep
def fire_mass_messages() -> int:
    return scheduled_sending.send_due()


@shared_task
def forget_old_drafts() -> int:
    return mass_message_drafts.delete_old_drafts(at=timezone.now())
