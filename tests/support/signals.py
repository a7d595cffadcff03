"""Bursts of stop signals, which impatient operators and init systems send."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from tests.support.product import wait_for

SECONDS = 10  # within which each process ends


def burst(pid: int, number: signal.Signals = signal.SIGTERM) -> None:
    """Send twenty signals, up to 200 microseconds apart."""
    for count in range(20):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        time.sleep(count % 5 * 5e-5)


def ends(is_running: Callable[[], bool]) -> None:
    wait_for(lambda: not is_running(), SECONDS, lambda: "it still runs")
