"""Receivers of signals: finished messages, changed launch switches, looks of senders for work, and erased users."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import user_erased
from groups.signals import launch_switches_changed
from launches import deliveries, erasure, mass_message_results, scheduled_sending, switch_changes
from robots.signals import FinishedMessage, message_finished, sender_tick

SENDER_SECONDS = 0.05  # of each second, so that a sender has the rest for the outbox


@receiver(user_erased)
def forget_mass_messages(*, user: User, at: datetime, **_: Any) -> None:
    erasure.forget_mass_messages_of(user, at=at)


@receiver(message_finished)
def update_from_messages(*, messages: Sequence[FinishedMessage], at: datetime, **_: Any) -> None:
    deliveries.update_deliveries_of(messages, at=at)
    mass_message_results.update_parts_of(messages, at=at)


@receiver(launch_switches_changed)
def report_to_launch_system(*, group_codes: Sequence[str], at: datetime, **_: Any) -> None:
    switch_changes.record_changes(group_codes, at=at)


@receiver(sender_tick)
def send_due_mass_messages(**_: Any) -> None:
    """Send mass messages that are due from senders too, so that they do not depend on Celery beat."""
    scheduled_sending.send_due(seconds=SENDER_SECONDS)
