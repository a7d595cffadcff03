"""The start of all processes in tests. Their output goes to files of the session, which are searched for secrets.

Standard output that a test reads (`stdout=PIPE`, `run_process` with `answers`) is not a log and is not searched.
"""

import atexit
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
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


@cache
def _fork_server() -> "subprocess.Popen[str]":
    """Return a process that forks children which need not import the packages."""
    argv = [sys.executable, "-m", "tests.support.fork_server"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    server = start_process(argv, "fork-server", env=os.environ, **pipes)
    atexit.register(server.communicate)  # closes its input, which ends it
    return server


def run_python(
    *arguments: str, name: str, answers: bool = False, env: Mapping[str, str] | None = None, seconds: int = 60
) -> "subprocess.CompletedProcess[str]":
    """Run `-c code`, `-m module` or a file in a new process to its end: in half the time, but without a start of Python.

    `answers` is as in `run_process`.
    """
    env = dict(os.environ if env is None else env)
    note_environment(env)
    server, path = _fork_server(), new_log(name)
    outputs = [path.with_suffix(".stdout"), path.with_suffix(".stderr")]
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps([arguments, env, list(map(str, outputs)), seconds]) + "\n")
    server.stdin.flush()
    status = int(server.stdout.readline())
    stdout, stderr = (output.read_text(errors="replace") for output in outputs)
    for output in outputs:
        output.unlink()
    path.write_text(stderr if answers else stdout + stderr)
    return subprocess.CompletedProcess(arguments, status, stdout, stderr)


def watch_servers(run_dir: Path) -> None:
    """Add the logs and the secrets of the embedded servers in this folder to the search."""
    new_log("servers").with_suffix("").symlink_to(run_dir / "log", target_is_directory=True)
    watch(run_dir)
