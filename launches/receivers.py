"""What launches do when messages of theirs are settled, when switches change, and when senders look for what is due."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import user_erased
from groups.signals import launch_switches_changed
from launches import deliveries, erasure, mass_message_results, scheduled_sending, switch_changes
from robots.signals import FinishedMessage, message_finished, senders_look

SENDER_SECONDS = 0.05  # of each second, so that what waits in the outbox goes on


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


@receiver(senders_look)
def send_due_mass_messages(**_: Any) -> None:
    """Also while beat is down, mass messages go out when senders do; a sender has other things to do, too."""
    scheduled_sending.send_due(seconds=SENDER_SECONDS)
