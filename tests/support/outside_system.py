"""Outside systems that fail in the sandbox, and an outside system whose responses a test defines."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.checks.addresses import outside_names
from integrations.sandbox.server import Sandbox, SandboxRequest, SandboxResponse
from integrations.sandbox.state import State


def set_fault(sandbox: Any, system: str, mode: str = "error") -> None:
    """Have an outside system of the sandbox fail in this way from now on; `ok` ends it."""
    with sandbox.state.lock:
        sandbox.state.note("fault", system=system, mode=mode, rate=1.0)


class OutsideSystem:
    """An outside system that returns `replies` in order, the last one repeatedly, and stores the `calls`."""

    def __init__(self, *replies: SandboxResponse) -> None:
        self.replies, self.calls, self.url = list(replies), list[SandboxRequest](), ""

    def __call__(self, call: SandboxRequest) -> SandboxResponse:
        self.calls.append(call)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def played_by(outside: OutsideSystem, folder: Path, settings: Any) -> Iterator[OutsideSystem]:
    """Serve all outside systems with this one."""
    server = Sandbox(0, State(folder / "journal"), [("outside", outside)])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    outside.url = f"http://127.0.0.1:{server.server_address[1]}"
    for name in outside_names():
        setattr(settings, name, outside.url)
    try:
        yield outside
    finally:
        server.stop()
        thread.join()
