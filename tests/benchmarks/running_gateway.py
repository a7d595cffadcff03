"""The gateway of benchmarks as a process of its own."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from config.local.processes import free_port
from tests.support.product import wait_for


@contextmanager
def running_gateway(seconds: float = 0, *options: str) -> Iterator[str]:
    """Run a gateway that answers after so many seconds. Yields its address. `options`: those of gateway.py."""
    port = free_port()
    argv = [sys.executable, str(Path(__file__).with_name("gateway.py")), str(port), str(seconds), *options]
    process = subprocess.Popen(argv)
    try:
        wait_for(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False
