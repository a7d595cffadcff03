"""Children that are kept running: prefixed logs, restarts at once, a slow-down for crash loops, a clean end."""

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
AT_ONCE = 2  # so many requests to stop mean that nobody wants to wait
QUICK_EXIT_SECONDS = 10
LONGEST_PAUSE_SECONDS = 30
_COLOURS = {"web": 32, "worker": 36, "sender": 31, "beat": 35, "sandbox": 33, "up": 34, "demo": 34}
Say = Callable[[str, str], None]


def colourful() -> bool:
    """Whether to colour: on a terminal or with FORCE_COLOR, never with NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


class Console:
    """One line at a time from many children, each behind its padded name; masked, for what no logger of theirs wrote."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.colour = colourful()

    def say(self, name: str, line: str) -> None:
        prefix = f"{name:<8}|"
        if self.colour:
            prefix = f"\033[{_COLOURS.get(name, 37)}m{prefix}\033[0m"
        with self.lock, suppress(BrokenPipeError):
            sys.stdout.write(f"{prefix} {one_line(masked(line))}\n")
            sys.stdout.flush()


@dataclass
class Child:
    """One program to keep running."""

    name: str
    argv: list[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    death_signal: signal.Signals = signal.SIGTERM  # that our own death sends it; it may come more than once
    process: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    start_at: float = 0.0  # not before this moment (monotonic seconds)
    quick_exits: int = 0
    restarts: bool = False  # it was asked to end for an edited file: that is no failure

    def start(self, say: Say) -> None:
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
        threading.Thread(target=self._relay, args=(self.process, say), daemon=True).start()

    def _relay(self, process: "subprocess.Popen[str]", say: Say) -> None:
        for line in process.stdout or ():
            say(self.name, line.rstrip("\n"))

    def kill_group(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)


class Supervisor:
    """Call `run()` in the main thread; the stop request ends it, and a second one kills the children at once."""

    def __init__(self, children: list[Child], say: Say) -> None:
        self.children, self.say = children, say
        self.stop_request = StopRequest()

    def start(self) -> None:
        for child in self.children:
            child.start(self.say)

    def run(self, also: Callable[[], None] | None = None) -> None:
        """Watch the children until asked to stop; `also` is called at every turn."""
        while not self.stop_request.wait(0.2):
            for child in self.children:
                self._look_after(child)
            if also is not None:
                also()

    def _look_after(self, child: Child) -> None:
        if child.process is None:
            if time.monotonic() >= child.start_at:
                child.start(self.say)
        elif child.process.poll() is not None:
            self._plan_restart(child)

    def _plan_restart(self, child: Child) -> None:
        ended = child.process
        child.kill_group(signal.SIGKILL)  # what it left behind
        if child.restarts:
            child.process, child.restarts = None, False
            return
        lived = time.monotonic() - child.started_at
        child.quick_exits = child.quick_exits + 1 if lived < QUICK_EXIT_SECONDS else 0
        pause = min(2.0 ** (child.quick_exits - 2), LONGEST_PAUSE_SECONDS) if child.quick_exits > 1 else 0.0
        status = ended.returncode if ended else 0
        if pause:
            self.say("up", f"{child.name} keeps ending (status {status}); trying again in {pause:.0f} s")
        else:
            self.say("up", f"{child.name} ended (status {status}); starting it again")
        child.process, child.start_at = None, time.monotonic() + pause

    def stop(self) -> None:
        """Ask every child to end, wait, then end what is left: no process of theirs remains."""
        for child in self.children:
            if child.process is not None:
                with suppress(ProcessLookupError):
                    child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while self._alive() and time.monotonic() < deadline and self.stop_request.count < AT_ONCE:
            time.sleep(0.05)
        for child in self.children:
            child.kill_group(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()

    def _alive(self) -> bool:
        return any(child.process is not None and child.process.poll() is None for child in self.children)
