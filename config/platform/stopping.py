"""Stop requests to a process by a signal.

Python runs a signal handler between any two instructions of the main thread, even inside the handler itself. A handler
that takes a lock (`threading.Event.set`, logging, a queue) deadlocks when a second signal arrives while it holds the
lock; this was seen in a sender. The handler here only counts and writes to a pipe.
"""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType


class StopRequest:
    """The request to stop, set by the signals for which it was installed.

    `on_signal` is called inside the handler, so it takes no lock. A process that waits with `SimpleQueue.get(timeout=…)` has
    to put an item there: in Python 3.11, a signal at the end of such a wait makes it a wait without a limit.
    """

    def __init__(self, on_signal: Callable[[], None] | None = None) -> None:
        self.on_signal = on_signal
        self.count = 0  # a second signal asks for an immediate stop
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def install(self, *signals: signal.Signals) -> "StopRequest":
        """Install the handler of these signals. Call it in the main thread."""
        for number in signals:
            signal.signal(number, self._handle)
        return self

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.interrupt_wait()
        if self.on_signal is not None:
            self.on_signal()

    def interrupt_wait(self) -> None:
        """End a running `wait`. May be called from any thread or signal handler."""
        with suppress(BlockingIOError):  # the pipe is full, so the wait ends anyway
            os.write(self._writer, b"\0")

    def requested(self) -> bool:
        return self.count > 0

    def wait(self, seconds: float) -> bool:
        """Wait up to these seconds for a request. Returns whether there was one."""
        if not self.count:
            select.select([self._reader], [], [], seconds)
            with suppress(BlockingIOError):
                os.read(self._reader, 4096)
        return self.count > 0
