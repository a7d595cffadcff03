"""What happens to robots and their messages, told to the rooms above."""

from django.dispatch import Signal

# messages: list[OutboxMessage] that reached an end state; sent inside the transaction that settled them
message_settled = Signal()
