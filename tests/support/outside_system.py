"""An outside system that answers every call as a test says."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from integrations.sandbox.server import Call, Reply, Sandbox
from integrations.sandbox.state import State

URLS = [f"{name}_BASE_URL" for name in ("WECHAT", "GATEWAY", "SMS", "WECHAT_PAY", "LAUNCH", "ALIYUN_CS")]


class OutsideSystem:
    """Give `replies` in their order, the last one again and again; keep the `calls`."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.calls, self.url = list(replies), list[Call](), ""

    def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@contextmanager
def played_by(outside: OutsideSystem, folder: Path, settings: Any) -> Iterator[OutsideSystem]:
    """Have it stand for every outside system."""
    server = Sandbox(0, State(folder / "journal"), [("outside", outside)])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    outside.url = f"http://127.0.0.1:{server.server_address[1]}"
    for name in (*URLS, "MODERATION_ALIYUN_BASE_URL"):
        setattr(settings, name, outside.url)
    try:
        yield outside
    finally:
        server.stop()
        thread.join()
