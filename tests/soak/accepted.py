"""The work that the product accepted during the soak and must have finished at its end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

Result = TypeVar("Result")


@dataclass
class Accepted:
    """The accepted work, from all threads."""

    events: set[str] = field(default_factory=set)  # event_ids
    speakers: set[str] = field(default_factory=set)  # codes of members who each sent a keyword once
    launches: dict[str, int] = field(default_factory=dict)  # number of groups by taskId
    mass_messages: dict[str, int] = field(default_factory=dict)  # number of groups by task id
    withdrawals: dict[str, int] = field(default_factory=dict)  # yuan by union_id
    texts: set[str] = field(default_factory=set)  # phones
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, change: Callable[["Accepted"], Result]) -> Result:
        with self.lock:
            return change(self)
