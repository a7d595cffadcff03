"""Asking a process to stop by a signal.

Python runs a signal handler between any two instructions of the main thread, the handler itself included. A handler that
takes a lock (`threading.Event.set`, logging, a queue) waits for ever when a second signal comes while it holds that lock:
a sender was seen hanging so. The handler here only counts and writes to a pipe.
"""

import os
import select
import signal
from contextlib import suppress
from types import FrameType


class StopRequest:
    """Notes whether the process was asked to stop, by one of the signals that it was installed for."""

    def __init__(self) -> None:
        self.count = 0  # a second signal means: at once
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def install(self, *signals: signal.Signals) -> "StopRequest":
        """Take these signals as the request; call it in the main thread."""
        for number in signals:
            signal.signal(number, self._handle)
        return self

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.wake()

    def wake(self) -> None:
        """End a `wait` that is under way; from any thread or signal handler."""
        with suppress(BlockingIOError):  # the pipe is full: whoever waits comes back anyway
            os.write(self._writer, b"\0")

    def requested(self) -> bool:
        return self.count > 0

    def wait(self, seconds: float) -> bool:
        """Wait so long for the request; return whether it has come."""
        if not self.count:
            select.select([self._reader], [], [], seconds)
            with suppress(BlockingIOError):
                os.read(self._reader, 4096)
        return self.count > 0
