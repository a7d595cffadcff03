"""What launches do when messages of theirs are settled."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.dispatch import receiver

from launches import deliveries, outcomes
from robots.signals import SettledMessage, message_settled


@receiver(message_settled)
def take_outcomes(*, messages: Sequence[SettledMessage], at: datetime, **_: Any) -> None:
    deliveries.settle(messages, at=at)
    outcomes.settle(messages, at=at)
