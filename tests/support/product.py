"""The whole product: `manage.py up` in its own directory, on free ports, with real processes."""

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

import requests

from config.local.demo.clients import OperatorClient
from config.local.processes import free_port
from tests.support.paths import PROJECT
from tests.support.prepared import copy_prepared
from tests.support.processes import log_of, run_process, start_process, watch_servers

READY_SECONDS = 180


class Product:
    """A running product that tests start, call over HTTP and stop."""

    def __init__(self, run_dir: Path, *arguments: str, **env: str) -> None:
        self.run_dir, self.arguments = run_dir, arguments
        self.port, self.sandbox_port = free_port(), free_port()
        kept = {
            k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
        }
        self.env = {
            **kept,
            "RUN_DIR": str(run_dir),
            "PORT": str(self.port),
            "SANDBOX_PORT": str(self.sandbox_port),
            "PYTHONUNBUFFERED": "1",
            "WEB_WORKERS": "1",  # each takes half a second of processor to start
            **env,
        }
        self.project = PROJECT  # the sources that it runs
        self.process: Popen[str] | None = None
        self.forgotten = 0

    def with_database(self) -> "Product":
        """Spare a first start `initdb` and the migrations: put a migrated database of nobody into the directory."""
        copy_prepared(self.run_dir)
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def start(self) -> "Product":
        self.process = start_process(
            [sys.executable, "manage.py", "up", *self.arguments],
            "up",
            env=self.env,
            cwd=self.project,
            start_new_session=True,
        )
        self.forgotten = 0
        watch_servers(self.run_dir)
        return self

    @property
    def output(self) -> str:
        """Return the output of `up` and its children since the last `forget_output`."""
        return log_of(self.process)[self.forgotten :] if self.process is not None else ""

    def forget_output(self) -> None:
        self.forgotten += len(self.output)

    def wait_until_ready(self) -> "Product":
        wait_for(lambda: "Robots: " in self.output or self.ended, READY_SECONDS, lambda: self.output)
        assert not self.ended, self.output
        return self

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self, number: int = signal.SIGINT) -> float:
        """Stop the product with a signal. Returns the seconds until its end."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - began

    def run(self, *arguments: str) -> str:
        """Run a management command. Returns its output."""
        argv = [sys.executable, "manage.py", *arguments]
        done = run_process(argv, arguments[0], env=self.env, answers=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def call(self, method: str, path: str, body: Any = None, token: str = "", **query: Any) -> dict[str, Any]:
        """Call the API. Returns the parsed response."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.request(method, self.url + path, json=body, params=query, headers=headers, timeout=20)
        response: dict[str, Any] = answer.json()
        return response

    def gateway_sends(self, *events: tuple[str, Any]) -> None:
        """Post gateway events, as one batch."""
        batch = [
            {"event_id": f"test-{time.monotonic_ns()}-{n}", "command": command, "body": body}
            for n, (command, body) in enumerate(events)
        ]
        assert self.call("POST", "/gateway/events", batch)["code"] == 1200

    def sandbox(self, path: str, **query: Any) -> dict[str, Any]:
        """Return a page of the sandbox's control interface."""
        answer: dict[str, Any] = requests.get(f"{self.sandbox_url}/_/{path}", params=query, timeout=10).json()
        return answer

    def set_fault(self, system: str, mode: str) -> None:
        """Have an outside system of the sandbox fail in this way from now on; `ok` ends it."""
        fault = {"system": system, "mode": mode, "rate": 1.0}
        assert requests.post(f"{self.sandbox_url}/_/faults", json=fault, timeout=20).status_code == 200

    @contextmanager
    def fault(self, system: str, mode: str = "timeout") -> Iterator[None]:
        """Have an outside system fail in this way meanwhile."""
        self.set_fault(system, mode)
        try:
            yield
        finally:
            self.set_fault(system, "ok")

    def operator(self) -> OperatorClient:
        found = re.search(r"Password:\s+(\S+)", self.output)
        assert found, self.output
        return OperatorClient(self.url, "admin", found[1])


def wait_for(
    condition: Callable[[], Any],
    seconds: float = 20,
    otherwise: Callable[[], Any] = lambda: "",
    *,
    every: float = 0.1,
) -> Any:
    """Wait until the condition is true and return its value. Fails with the text of `otherwise`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(every)
    raise AssertionError(f"not true within {seconds} s: {otherwise()}")


def running_processes(product: Product) -> dict[int, str]:
    """Return the command lines by pid of processes with the product's directory in their environment or as their cwd."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            environment = (entry / "environ").read_bytes().split(b"\0")
            is_ours = f"RUN_DIR={product.run_dir}".encode() in environment
            is_home = (entry / "cwd").readlink().is_relative_to(product.run_dir)  # Redis rewrites its environment
            has_ended = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
            if (is_ours or is_home) and not has_ended:
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def pids_of(product: Product, part: str) -> list[int]:
    """Return the ids of the product's processes whose command line contains this part."""
    return [pid for pid, command in running_processes(product).items() if part in command]
