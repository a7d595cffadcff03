"""What happens to robots and their messages, told to the rooms above."""

from datetime import datetime
from typing import NamedTuple

from django.dispatch import Signal


class FinishedMessage(NamedTuple):
    """An outgoing message that reached an end state: `status` is 1 sent, 2 parked or 3 closed."""

    pk: int
    message_no: str
    operation: str
    group_code: str
    cause: str
    status: int
    reason: str
    settled_at: datetime


# messages: list[FinishedMessage], sent inside the transaction that settled them. The same message may be told of again:
# what was parked or closed while the gateway did it after all is told as sent. After "sent" nothing follows.
message_finished = Signal()

# at: datetime, sent by every sender each second, also while it has much to say: whoever has words that are due puts
# them into the outbox. It must be quick, and find nothing nearly always.
senders_look = Signal()
