"""The servers of the comparison: each a group of processes on a port of this machine, all on one database."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.local.processes import die_with_parent, free_port
from config.management.commands.up import web_command
from tests.support.paths import PROJECT
from tests.support.processes import log_of, start_process

BENCH_VENV = PROJECT / ".bench-venv"
BENCH_PYTHON = str(BENCH_VENV / "bin/python")
FOLDER = PROJECT / "tests/benchmarks"
START_SECONDS = 60
_GTHREAD = [
    "--worker-class",
    "gthread",
    "--workers",
    "2",
    "--threads",
    "8",
    "--log-level",
    "warning",
    "--no-control-socket",
]
_UNLIMITED = {"THROTTLE_WITHDRAW": "1000000/60"}


@dataclass
class Contestant:
    """A server: its command for a port, its folder, and what differs in its environment."""

    name: str
    command: Callable[[int], list[str]]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: "subprocess.Popen[str] | None" = None

    def start(self) -> None:
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        env = kept | {"HTTPS": "0", "PYTHONUNBUFFERED": "1", **self.env}
        options = {"start_new_session": True, "preexec_fn": lambda: die_with_parent(signal.SIGTERM)}
        self.process = start_process(self.command(self.port), self.name, env=env, cwd=self.cwd, **options)

    def wait(self) -> None:
        """Wait until the server accepts connections. Raises AssertionError with its log."""
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", self.port), timeout=5)):
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.name} does not listen:\n{log_of(self.process)}")

    def stop(self) -> None:
        if self.process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def pids(self) -> list[int]:
        """Return the processes of the server, which are in a session of its own."""
        assert self.process is not None
        return [
            pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _session(pid) == self.process.pid
        ]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _gunicorn(application: str) -> Callable[[int], list[str]]:
    command = [sys.executable, "-m", "gunicorn", application, *_GTHREAD]
    return lambda port: [*command, "--bind", f"127.0.0.1:{port}"]


def _granian(python: str, application: str, workers: int, threads: int) -> Callable[[int], list[str]]:
    command = [python, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--no-access-log"]
    command += [
        "--workers",
        str(workers),
        "--blocking-threads",
        str(threads),
        "--log-level",
        "warning",
        application,
    ]
    return lambda port: [*command, "--port", str(port)]


def granian_alone() -> Path:
    """Return a folder with Granian and no other package.

    Our code runs with the packages of its own environment: Django would choose psycopg 3 where it can import it.
    """
    folder = BENCH_VENV / "granian-alone"
    folder.mkdir(exist_ok=True)
    [package] = BENCH_VENV.glob("lib/python3*/site-packages/granian")
    with suppress(FileExistsError):
        (folder / "granian").symlink_to(package, target_is_directory=True)
    return folder


def contestants(run_dir: Path) -> list[Contestant]:
    """Return all servers. `run_dir` holds the addresses of the database and of Redis."""
    shared = {"RUN_DIR": str(run_dir)}
    bare = shared | {"PYTHONPATH": str(FOLDER)}
    ours = shared | {"ENFORCE_AUTH": "1", **_UNLIMITED}
    on_granian = ours | {"PYTHONPATH": str(granian_alone())}
    return [
        Contestant("F", _gunicorn("api.floor:application"), run_dir, bare),
        Contestant("limit", _granian(BENCH_PYTHON, "api.limit:application", 2, 2), run_dir, bare),
        Contestant("sanic", lambda port: [BENCH_PYTHON, "-m", "api.peer", str(port)], run_dir, bare),
        Contestant(
            "naive",
            _gunicorn("api.naive:application"),
            run_dir,
            shared | {"PYTHONPATH": f"{FOLDER}:{PROJECT}"},
        ),
        Contestant("ours-gunicorn", web_command, PROJECT, ours),
        *(
            Contestant(
                f"ours-granian 2x{threads}",
                _granian(sys.executable, "config.wsgi:application", 2, threads),
                PROJECT,
                on_granian,
            )
            for threads in (1, 2)
        ),
    ]
