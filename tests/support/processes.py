"""The start of all processes in tests. Their output goes to files of the session, which are searched for secrets.

Standard output that a test reads (`stdout=PIPE`, `run_process` with `answers`) is not a log and is not searched.
"""

import itertools
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.paths import PROJECT
from tests.support.secrets_in_use import note_environment, watch

LOGS = Path(os.environ["TEST_LOGS"])
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
_numbers = itertools.count(1)


def new_log(name: str) -> Path:
    """Return the path of a new log file."""
    return LOGS / f"{_WORKER}-{next(_numbers)}-{name}.log"


def start_process(
    argv: Sequence[str], name: str, *, env: Mapping[str, str], **options: Any
) -> "subprocess.Popen[str]":
    """Start a process that writes into a log (`log_of`): its errors, and its output unless `options` redirect it."""
    note_environment(env)
    path = new_log(name)
    with path.open("wb") as log:
        options = {"cwd": PROJECT, "stdout": log, "stderr": log, "text": True, **options}
        process = subprocess.Popen(argv, env=env, **options)
    process.log_path = path  # type: ignore[attr-defined]
    return process


def log_of(process: "subprocess.Popen[str]") -> str:
    """Return the output of the process so far."""
    return str(process.log_path.read_text(errors="replace"))  # type: ignore[attr-defined]


def run_process(
    argv: Sequence[str], name: str, *, answers: bool = False, env: Mapping[str, str] | None = None, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a process to its end. With `answers`, its standard output is for the test and not a log."""
    note_environment(env or {})
    options = {"cwd": PROJECT, "capture_output": True, "text": True, "check": False, **options}
    done = subprocess.run(argv, env=env, **options)
    new_log(name).write_text(done.stderr if answers else done.stdout + done.stderr)
    return done


def watch_servers(run_dir: Path) -> None:
    """Add the logs and the secrets of the embedded servers in this folder to the search."""
    new_log("servers").with_suffix("").symlink_to(run_dir / "log", target_is_directory=True)
    watch(run_dir)
