"""The CPU share of other programs: on a shared machine everything takes longer."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

SAMPLE_SECONDS = 0.5
_IDLE = slice(3, 5)  # idle, and waiting for a disk


class Machine(threading.Thread):
    """A thread that samples the CPU time of the machine, and of this process and its descendants."""

    def __init__(self) -> None:
        super().__init__(name="machine", daemon=True)
        self.samples: list[
            tuple[float, float]
        ] = []  # until when, and the share that others had since the one before

    def run(self) -> None:
        before = _busy_and_idle(), _ticks_of_ours()
        while True:
            time.sleep(SAMPLE_SECONDS)
            now = _busy_and_idle(), _ticks_of_ours()
            busy, idle = (after - earlier for after, earlier in zip(now[0], before[0], strict=True))
            ours = sum(ticks - before[1].get(pid, 0) for pid, ticks in now[1].items())
            share = max(0.0, busy - ours) / max(1, busy + idle)
            self.samples.append((time.monotonic(), min(1.0, share)))
            before = now

    def share_of_others(self, began: float, ended: float) -> float:
        """Return the CPU share of other programs between these moments (monotonic seconds)."""
        shares = [share for until, share in self.samples if began <= until <= ended + SAMPLE_SECONDS]
        return sum(shares) / len(shares) if shares else 0.0


def _busy_and_idle() -> tuple[int, int]:
    columns = [int(text) for text in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = sum(columns[_IDLE])
    return sum(columns) - idle, idle


def _ticks_of_ours() -> dict[int, int]:
    """Return the CPU time of each of our processes."""
    parents, ticks = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            columns = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            parents[int(entry.name)], ticks[int(entry.name)] = int(columns[1]), int(columns[11]) + int(columns[12])
    ours = {os.getpid()}
    while found := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= found
    return {pid: ticks[pid] for pid in ours if pid in ticks}
