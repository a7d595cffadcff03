"""A supervisor of child processes: prefixed logs, immediate restarts, a back-off for crash loops, a clean stop."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.local.processes import die_with_parent
from config.platform.logging import masked, one_line
from config.platform.stopping import StopRequest

STOP_SECONDS = 7
KILL_AT_REQUEST = 2  # the second request to stop kills the children
QUICK_EXIT_SECONDS = 10
LONGEST_PAUSE_SECONDS = 30
_COLORS = {"web": 32, "worker": 36, "sender": 31, "beat": 35, "sandbox": 33, "up": 34, "demo": 34}
Log = Callable[[str, str], None]


def use_color() -> bool:
    """Return whether to color: on a terminal or with FORCE_COLOR, never with NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


class Console:
    """The output of all children, line by line behind their padded names. It masks lines that no logger has masked."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.color = use_color()

    def log(self, name: str, line: str) -> None:
        prefix = f"{name:<8}|"
        if self.color:
            prefix = f"\033[{_COLORS.get(name, 37)}m{prefix}\033[0m"
        with self.lock, suppress(BrokenPipeError):
            sys.stdout.write(f"{prefix} {one_line(masked(line))}\n")
            sys.stdout.flush()


@dataclass
class Child:
    """A program that the supervisor keeps running."""

    name: str
    argv: list[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    death_signal: signal.Signals = signal.SIGTERM  # sent when the supervisor dies, possibly repeatedly
    process: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    start_at: float = 0.0  # the earliest moment of the next start, in monotonic seconds
    quick_exits: int = 0
    restarts: bool = False  # it was asked to end for an edited file: that is no failure

    def start(self, log: Log) -> None:
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.argv,
            cwd=self.cwd,
            env={**os.environ, **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(self.death_signal),
        )
        threading.Thread(target=self._relay, args=(self.process, log), daemon=True).start()

    def _relay(self, process: "subprocess.Popen[str]", log: Log) -> None:
        for line in process.stdout or ():
            log(self.name, line.rstrip("\n"))

    def kill_group(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


class Supervisor:
    """A supervisor whose `run()` the main thread calls. A stop request ends it, and a second one kills the children."""

    def __init__(self, children: list[Child], log: Log) -> None:
        self.children, self.log = children, log
        self.stop_request = StopRequest()

    def start(self) -> None:
        for child in self.children:
            child.start(self.log)

    def run(self, also: Callable[[], None] | None = None) -> None:
        """Watch the children until a stop request. `also` is called in each iteration."""
        while not self.stop_request.wait(0.2):
            for child in self.children:
                self._restart_if_ended(child)
            if also is not None:
                also()

    def _restart_if_ended(self, child: Child) -> None:
        if child.process is None:
            if time.monotonic() >= child.start_at:
                child.start(self.log)
        elif child.process.poll() is not None:
            self._plan_restart(child)

    def _plan_restart(self, child: Child) -> None:
        ended = child.process
        child.kill_group(signal.SIGKILL)  # its remaining processes
        if child.restarts:
            child.process, child.restarts = None, False
            return
        run_seconds = time.monotonic() - child.started_at
        child.quick_exits = child.quick_exits + 1 if run_seconds < QUICK_EXIT_SECONDS else 0
        pause = min(2.0 ** (child.quick_exits - 2), LONGEST_PAUSE_SECONDS) if child.quick_exits > 1 else 0.0
        status = ended.returncode if ended else 0
        if pause:
            self.log("up", f"{child.name} keeps ending (status {status}); trying again in {pause:.0f} s")
        else:
            self.log("up", f"{child.name} ended (status {status}); starting it again")
        child.process, child.start_at = None, time.monotonic() + pause

    def stop(self) -> None:
        """Send SIGTERM to every child, wait, then kill the remaining processes of all children."""
        for child in self.children:
            if child.process is not None:
                with suppress(ProcessLookupError):
                    child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while self._alive() and time.monotonic() < deadline and self.stop_request.count < KILL_AT_REQUEST:
            time.sleep(0.05)
        for child in self.children:
            child.kill_group(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()

    def _alive(self) -> bool:
        return any(child.process is not None and child.process.poll() is None for child in self.children)
