"""Every process that tests start. What it writes goes into files of the session, which are searched for secrets at its end.

Standard output on which a process answers its test (`stdout=PIPE`, `run_process`) is no log and is left out on request.
"""

import itertools
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.secrets_in_use import note_environment, watch

PROJECT = Path(__file__).resolve().parents[2]
LOGS = Path(os.environ["TEST_LOGS"])
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
_numbers = itertools.count(1)


def new_log(name: str) -> Path:
    """Return the path of a log that nobody writes yet."""
    return LOGS / f"{_WORKER}-{next(_numbers)}-{name}.log"


def start_process(
    argv: Sequence[str], name: str, *, env: Mapping[str, str], **options: Any
) -> "subprocess.Popen[str]":
    """Start a process that writes into a log (`log_of`): its errors, and its output unless `how` says otherwise."""
    note_environment(env)
    path = new_log(name)
    with path.open("wb") as log:
        options = {"cwd": PROJECT, "stdout": log, "stderr": log, "text": True, **options}
        process = subprocess.Popen(argv, env=env, **options)
    process.log_path = path  # type: ignore[attr-defined]
    return process


def log_of(process: "subprocess.Popen[str]") -> str:
    """Return what the process wrote until now."""
    return str(process.log_path.read_text(errors="replace"))  # type: ignore[attr-defined]


def run_process(
    argv: Sequence[str], name: str, *, answers: bool = False, env: Mapping[str, str] | None = None, **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a process to its end. With `answers`, its standard output is meant for whoever asked, and is no log."""
    note_environment(env or {})
    options = {"cwd": PROJECT, "capture_output": True, "text": True, "check": False, **options}
    done = subprocess.run(argv, env=env, **options)
    new_log(name).write_text(done.stderr if answers else done.stdout + done.stderr)
    return done


def watch_servers(run_dir: Path) -> None:
    """Have the logs of the embedded servers of this folder searched, for the secrets in it too."""
    new_log("servers").with_suffix("").symlink_to(run_dir / "log", target_is_directory=True)
    watch(run_dir)
