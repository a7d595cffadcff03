"""What the product said yes to during the soak, and therefore has to have done at its end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

Kept = TypeVar("Kept")


@dataclass
class Accepted:
    """Collects from all threads."""

    events: set[str] = field(default_factory=set)  # event_ids
    speakers: set[str] = field(default_factory=set)  # codes of those who each said a keyword once
    launches: dict[str, int] = field(default_factory=dict)  # number of groups by taskId
    mass_messages: dict[str, int] = field(default_factory=dict)  # number of groups by task id
    withdrawals: dict[str, int] = field(default_factory=dict)  # yuan by union_id
    texts: set[str] = field(default_factory=set)  # phones
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, change: Callable[["Accepted"], Kept]) -> Kept:
        with self.lock:
            return change(self)
