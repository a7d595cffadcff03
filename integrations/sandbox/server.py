"""The sandbox's HTTP server: it finds the fake system of a path, injects faults, and answers JSON."""

import json
import logging
import random
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from integrations.sandbox.state import State

logger = logging.getLogger(__name__)

HANG_SECONDS = 30  # longer than any adapter waits
SLOW_SECONDS = 1.5  # in mode "slow" the answer comes so long after the work
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}  # for the paths that the product's pages request from the browser


@dataclass(frozen=True)
class SandboxRequest:
    """A request to the sandbox."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    target: str  # path and query as sent; signatures cover it

    @property
    def json(self) -> Any:
        return json.loads(self.raw or b"{}")

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.raw.decode(), keep_blank_values=True))


@dataclass(frozen=True)
class SandboxResponse:
    """A response of the sandbox: JSON, or bytes of `content_type`."""

    data: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @property
    def body(self) -> bytes:
        return self.data if isinstance(self.data, bytes) else json.dumps(self.data, ensure_ascii=False).encode()


FakeSystem = Callable[[SandboxRequest], SandboxResponse | None]  # None for a path of another system
_FAULT = SandboxResponse({"error": "fault"}, 500)
_PAGE = SandboxResponse(
    b"<html><body>Welcome to nginx!</body></html>", content_type="text/html"
)  # of a proxy in between
_NOTHING_DONE = {"error": _FAULT, "timeout": _FAULT, "garbage": _PAGE}


class Sandbox(ThreadingHTTPServer):
    """A server on the loopback address. `systems`: (name, fake system), tried in this order."""

    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, port: int, state: State, systems: list[tuple[str, FakeSystem]]) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.state = state
        self.systems = systems
        self.stopping = threading.Event()

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sandbox
    timeout = 60
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        request = self._read()
        for name, system in self.server.systems:
            mode = self._fault(name) if name != "control" else "ok"
            response = self._answer(system, request, mode)
            if response is not None:
                self._send(response, mode)
                return
        self._send(SandboxResponse({"error": f"nobody plays {request.method} {request.path}"}, 404), "ok")

    def _read(self) -> SandboxRequest:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return SandboxRequest(self.command, parts.path, query, dict(self.headers), raw, self.path)

    def _answer(self, system: FakeSystem, request: SandboxRequest, mode: str) -> SandboxResponse | None:
        """Return the system's response. In the modes of _NOTHING_DONE the system is only asked whether it owns the path."""
        if mode in _NOTHING_DONE:
            return _NOTHING_DONE[mode] if getattr(system, "owns", lambda _: True)(request) else None
        try:
            return system(request)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return SandboxResponse({"error": f"bad request: {type(error).__name__}"}, 400)

    def _fault(self, name: str) -> str:
        fault = self.server.state.faults.get(name)
        if not fault or random.random() >= fault["rate"]:  # noqa: S311 - no secret here
            return "ok"
        return str(fault["mode"])

    def _send(self, response: SandboxResponse, mode: str) -> None:
        if mode == "timeout":
            self.server.stopping.wait(HANG_SECONDS)
        if mode == "slow":
            self.server.stopping.wait(SLOW_SECONDS)
        if mode in ("timeout", "drop_reply"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, *args: Any) -> None:
        """Log the method and the path only: bodies and queries contain secrets and phone numbers."""
        logger.debug("%s %s", self.command, urlsplit(self.path).path)
