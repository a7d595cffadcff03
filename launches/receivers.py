"""What launches do when messages of theirs are settled, and when senders look for what is due."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from launches import deliveries, firing, outcomes
from robots.signals import SettledMessage, message_settled, senders_look

SENDERS_SECONDS = 0.05  # of each second, so that what waits in the outbox goes on


@receiver(message_settled)
def take_outcomes(*, messages: Sequence[SettledMessage], at: datetime, **_: Any) -> None:
    deliveries.settle(messages, at=at)
    outcomes.settle(messages, at=at)


@receiver(senders_look)
def fire_what_is_due(**_: Any) -> None:
    """Also while beat is down, mass messages go out when senders do; a sender has other things to do, too."""
    firing.fire_due(seconds=SENDERS_SECONDS)
