"""A worker that is killed at a given step: before or after its n-th SQL statement, commit or outside call.

Run as a process (`python -m tests.support.killable <database> <module of tasks>`), it sets up Django once and forks a child
for each order. An order is a line of JSON: a list of [task, n], run in parallel, each killed with SIGKILL at its n-th step
(0: never). The response is a line of JSON: whether each task was killed, and its number of steps.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from tests.support.processes import start_process


class Killable:
    """The client of the process: it writes orders and reads the responses."""

    def __init__(self, database: str, *, tasks: str = "earnings.tasks", **env: str) -> None:
        self.process = start_process(
            [sys.executable, "-m", "tests.support.killable", database, tasks],
            "killable",
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(self, *orders: tuple[str, int]) -> list[tuple[bool, int]]:
        """Return (killed, steps) of each task. The steps of killed tasks are unknown."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(orders) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the worker's parent ended"
        return [tuple(one) for one in json.loads(line)]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


class Steps:
    """A counter of steps that kills the process with SIGKILL at the last step."""

    def __init__(self, last: int) -> None:
        self.last, self.count = last, 0

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self()
            done = work(*args, **kwargs)
            self()
            return done

        return counted

    def watch(self) -> None:
        """Count every statement and commit of this process' connection, and every outside call."""
        import requests  # noqa: PLC0415
        from django.db import connection  # noqa: PLC0415

        connection.execute_wrappers.append(lambda execute, *args: (self(), execute(*args))[1])
        connection._commit = self.around(connection._commit)
        requests.Session.request = self.around(requests.Session.request)


def _child(what: str, last: int) -> int:
    """Run the task. Returns its number of steps."""
    steps = Steps(last)
    steps.watch()
    getattr(import_module(sys.argv[2]), what)()
    return steps.count


def _fork(what: str, last: int) -> tuple[int, int]:
    """Return (process id, the file descriptor to which it writes its count)."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = 1
    try:
        os.write(writing, str(_child(what, last)).encode())
        status = 0
    finally:
        os._exit(status)


def _gather(pid: int, reading: int) -> tuple[bool, int]:
    _, status = os.waitpid(pid, 0)
    with os.fdopen(reading) as pipe:
        count = pipe.read()
    killed = os.WIFSIGNALED(status)
    if not killed and not count:
        raise SystemExit("a child failed: its traceback is above")
    return killed, int(count or 0)


def main() -> None:
    import django  # noqa: PLC0415
    from django.db import connections  # noqa: PLC0415

    django.setup()
    import_module(sys.argv[2])  # imported once instead of in each child
    connections["default"].settings_dict["NAME"] = sys.argv[1]
    for line in sys.stdin:
        children = [_fork(what, last) for what, last in json.loads(line)]
        sys.stdout.write(json.dumps([_gather(*child) for child in children]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
