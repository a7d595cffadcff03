"""A real gunicorn with callers that send partial requests or do not read: other callers are served."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests

from tests.support.web_server import WebServer

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
CALLERS, HEAD_SECONDS, REQUEST_SECONDS = 100, 2, 3
HEAD = "POST /gateway/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
HALF_SENT = {
    "nothing": b"",
    "a head": b"GET /app/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX-a: ",
    "an empty line": b"\r\n\r\n",
    "a body": f"{HEAD}Content-Length: 1000\r\n\r\n{{".encode(),
    "a chunk": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n400\r\n0\r\n\r\n".encode(),
    "a chunk's size": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n4".encode(),
    "a trailer": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\nX-a: ".encode(),
    "a body that is too large": f"{HEAD}Content-Length: 5000000\r\n\r\n{{".encode(),
    "a second request": b"GET /app/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /app/status HTTP/1.1\r\nX-a: ",
    "no farewell": b"nonsense\r\n\r\n",
}


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    limits = {"WEB_HEAD_SECONDS": str(HEAD_SECONDS), "WEB_REQUEST_SECONDS": str(REQUEST_SECONDS)}
    with django_db_blocker.unblock():
        server = WebServer(tmp_path_factory.mktemp("web"), **limits)
    seconds_of_an_answer(server)  # the first request loads the project
    yield server
    server.stop()


class Crowd:
    """Callers that send the same beginning, then a byte every half second, and never close."""

    def __init__(self, server: WebServer, beginning: bytes, drop: bytes) -> None:
        self.drop, self.left = drop, threading.Event()
        self.lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(CALLERS)]
        self.open = set(self.lines)
        for line in self.lines:
            line.sendall(beginning)
            line.setblocking(False)
        self.dripping = threading.Thread(target=self._drip)
        self.dripping.start()

    def _drip(self) -> None:
        while not self.left.wait(0.5):
            for line in list(self.open):
                if _is_closed(line):
                    self.open.discard(line)
                elif self.drop:
                    with suppress(OSError):
                        line.send(self.drop)

    def leave(self) -> None:
        self.left.set()
        self.dripping.join()
        for line in self.lines:
            line.close()


def _is_closed(line: socket.socket) -> bool:
    try:
        while line.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def seconds_of_an_answer(server: WebServer) -> float:
    began = time.monotonic()
    answer = requests.get(f"http://127.0.0.1:{server.port}/app/status", timeout=20)
    assert answer.json()["code"] == 1200
    return time.monotonic() - began


@pytest.mark.parametrize("name", HALF_SENT)
def test_others_are_answered_while_a_hundred_callers_send_half_a_request(server: WebServer, name: str):
    drop = b"" if name in ("nothing", "no farewell") else b"1"
    crowd = Crowd(server, HALF_SENT[name], drop)
    try:
        longest = 0.0
        deadline = time.monotonic() + REQUEST_SECONDS + 5
        while crowd.open and time.monotonic() < deadline:
            longest = max(longest, seconds_of_an_answer(server))
            time.sleep(0.2)
        assert (len(crowd.open), longest < 1) == (0, True), longest
    finally:
        crowd.leave()


@pytest.mark.parametrize("header", ["SCRIPT_NAME", "PATH_INFO", "Script-Name", "Path-Info"])
@pytest.mark.parametrize("path", ["/app/status", "/public/app/status"])
def test_no_header_rewrites_the_path(server: WebServer, header: str, path: str):
    url = f"http://127.0.0.1:{server.port}{path}"
    answer = requests.get(url, headers={header: "/public"}, timeout=20)
    assert answer.json()["code"] == (1200 if path == "/app/status" else 1404)


def test_a_request_in_small_parts_is_answered(server: WebServer):
    head = (
        "POST /gateway/events HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        for byte in f"\r\n{head}\r\nHost: 127.0.0.1:{server.port}\r\n\r\n{{}}".encode():
            line.sendall(bytes([byte]))
        assert b'"code":1403' in _all_of(line)


def test_requests_behind_one_another_are_all_answered(server: WebServer):
    one = f"GET /app/status HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(f"{one}\r\n{one}\r\n{one}Connection: close\r\n\r\n".encode())
        assert _all_of(line).count(b'"code":1200') == 3


def test_a_caller_that_expects_100_continue_gets_it(server: WebServer):
    head = f"{HEAD.replace('127.0.0.1', f'127.0.0.1:{server.port}')}Content-Length: 2\r\nExpect: 100-continue\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(f"{head}Connection: close\r\n\r\n".encode())
        assert line.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(b"{}")
        assert b'"code":1403' in _all_of(line)


def test_a_head_that_is_too_long_is_refused(server: WebServer):
    head = f"GET /app/status HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(head + b"X-a: " + b"a" * 9000 + b"\r\n\r\n")
        assert _all_of(line).startswith(b"HTTP/1.1 431 ")


def _all_of(line: socket.socket) -> bytes:
    answer = b""
    while part := line.recv(65536):
        answer += part
    return answer
