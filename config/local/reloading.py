"""Restart what runs an edited file: `make run RELOAD=1`."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from config.local.supervisor import Child, Log, Supervisor

_SUFFIXES = (".py", ".html", ".mo")
_NOT_OURS = {"tests", "__pycache__"}
# Importing the product takes a second of processor: the web has it for itself first.
WEB_FIRST_SECONDS = 2.0


class Reloader:
    """Call `look` at every turn of the supervisor; it compares the times at which files were written."""

    def __init__(self, project: Path, supervisor: Supervisor, log: Log) -> None:
        self.project, self.supervisor, self.log = project, supervisor, log
        self.seen = dict(_files(project))
        self.changed: set[str] = set()

    def look(self) -> None:
        """Restart every child once a look finds files changed and the next one finds no more of them."""
        files = dict(_files(self.project))
        changed = {path for path in self.seen.keys() | files.keys() if self.seen.get(path) != files.get(path)}
        self.seen = files
        self.changed |= changed
        if self.changed and not changed:
            self._restart()

    def _restart(self) -> None:
        first = os.path.relpath(min(self.changed), self.project)
        others = f" and {len(self.changed) - 1} more" if len(self.changed) > 1 else ""
        self.log("up", f"{first}{others} changed; starting everything again")
        self.changed = set()
        for child in self.supervisor.children:
            _restart(child)


def _restart(child: Child) -> None:
    """End a child, which the supervisor starts again; the web server replaces its workers and keeps its port open."""
    child.quick_exits = 0
    child.start_at = time.monotonic() + (0.0 if child.name == "web" else WEB_FIRST_SECONDS)
    if child.process is None:  # it failed before the file was edited
        return
    if child.name == "web":
        child.process.send_signal(signal.SIGHUP)
    else:
        child.restarts = True
        child.process.terminate()


def _files(folder: Path | str) -> Iterator[tuple[str, int]]:
    """Yield path and time of each file that our processes have read. Hidden folders (.venv, .run, .git) are none of them."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and entry.name not in _NOT_OURS:
                yield from _files(entry.path)
        elif entry.name.endswith(_SUFFIXES):
            yield entry.path, entry.stat().st_mtime_ns
