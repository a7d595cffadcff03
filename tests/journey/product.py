"""The whole product as a user starts it: `manage.py up` in its own directory, on free ports, with real processes."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from config.demo.callers import Operator
from config.processes import free_port

PROJECT = Path(__file__).resolve().parents[2]
READY_SECONDS = 180


class Product:
    """Start it, talk to it over HTTP as each kind of caller, stop it."""

    def __init__(self, run_dir: Path, *words: str, **env: str) -> None:
        self.run_dir, self.words = run_dir, words
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
            **env,
        }
        self.output: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    def start(self) -> "Product":
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", *self.words],
            cwd=PROJECT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.output.append(line)

    @property
    def said(self) -> str:
        return "".join(self.output)

    def wait_until_ready(self) -> "Product":
        wait_for(lambda: "Robots: " in self.said or self.ended, READY_SECONDS, lambda: self.said)
        assert not self.ended, self.said
        return self

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self, number: int = signal.SIGINT) -> float:
        """Ask it to end; how many seconds that took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        self.reader.join(5)
        return time.monotonic() - began

    def run(self, *words: str) -> str:
        """Run a management command beside it; what it printed."""
        argv = [sys.executable, "manage.py", *words]
        done = subprocess.run(
            argv, cwd=PROJECT, env=self.env, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def call(self, method: str, path: str, body: Any = None, token: str = "", **query: Any) -> dict[str, Any]:
        """One call of the API; the parsed answer."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.request(method, self.url + path, json=body, params=query, headers=headers, timeout=20)
        told: dict[str, Any] = answer.json()
        return told

    def gateway_tells(self, *events: tuple[str, Any]) -> None:
        """Post gateway events, as one batch."""
        batch = [
            {"event_id": f"test-{time.monotonic_ns()}-{n}", "command": command, "body": body}
            for n, (command, body) in enumerate(events)
        ]
        assert self.call("POST", "/gateway/events", batch)["code"] == 1200

    def sandbox(self, path: str, **query: Any) -> dict[str, Any]:
        """The sandbox's control side."""
        told: dict[str, Any] = requests.get(f"{self.sandbox_url}/_/{path}", params=query, timeout=10).json()
        return told

    def operator(self) -> Operator:
        found = re.search(r"Password:\s+(\S+)", self.said)
        assert found, self.said
        return Operator(self.url, "admin", found[1])


def wait_for(true: Callable[[], Any], seconds: float = 20, otherwise: Callable[[], Any] = lambda: "") -> Any:
    """Wait until it is true, and answer with it; fail with what `otherwise` says."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not true within {seconds} s: {otherwise()}")
