"""An outside system that answers every call as a test says."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from config.checks.addresses import outside_names
from integrations.sandbox.server import Call, Reply, Sandbox
from integrations.sandbox.state import State


class Outside:
    """Give `replies` in their order, the last one again and again; keep the `calls`."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.calls, self.url = list(replies), list[Call](), ""

    def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def played_by(outside: Outside, folder: Path, settings: Any) -> Iterator[Outside]:
    """Have it stand for every outside system."""
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
