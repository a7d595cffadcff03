"""The signals by which higher apps learn of finished messages and of the senders' clock."""

from datetime import datetime
from typing import NamedTuple

from django.dispatch import Signal


class FinishedMessage(NamedTuple):
    """An outgoing message that reached a final status: 1 (SENT), 2 (FAILED) or 3 (CLOSED)."""

    pk: int
    message_no: str
    operation: str
    group_code: str
    source_type: str
    source_id: str
    status: int
    last_error: str
    finished_at: datetime


# messages: list[FinishedMessage], sent inside the transaction that finished them. The same message may come again: one
# that FAILED or was CLOSED comes as SENT when the gateway executed it after all. No status follows SENT.
message_finished = Signal()

# at: datetime. Every sender sends it each second, also under load, so that apps write messages that are due into the
# outbox. Receivers must be quick, and nearly always find nothing to do.
sender_tick = Signal()
