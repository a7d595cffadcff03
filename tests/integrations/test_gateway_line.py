"""Many calls at once to a gateway that answers, hangs, breaks off or is not there: what is told of each, once."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from integrations.gateway_calls import GatewayCall, recall_message
from integrations.gateway_line import GatewayLine, NotAsked
from integrations.http import OutcomeUnknown, Refused, Unavailable

DONE = b'{"code": "100"}'
CALL = recall_message(robot="robot", message_no="1")


class Gateway:
    """Answers its connections' calls as it was told, in this order; counts what it hears."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.answers: list[bytes | None] = []  # None: breaks off
        self.heard: list[bytes] = []
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            while head := b"".join(iter(lines.readline, b"\r\n")):
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.heard.append(head + lines.read(length))
                answer = self.answers.pop(0)
                if answer is None:
                    return
                connection.sendall(answer)

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for connection in self.connections:
            connection.close()


def says(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    yield server
    server.close()


def line_to(url: str, *, timeout: float = 5.0, places: int = 1) -> GatewayLine:
    return GatewayLine(url, "secret", timeout, places)


def asked(line: GatewayLine, *calls: GatewayCall) -> list[Exception | None]:
    """What became of each call."""
    line.ask(list(enumerate(calls)))
    answered: dict[object, Exception | None] = {}
    until = time.monotonic() + 20
    while len(answered) < len(calls) and time.monotonic() < until:
        answered |= dict(line.answers(seconds=1))
    return [answered[place] for place in range(len(calls))]


def test_a_call_carries_its_words_and_the_token(gateway):
    gateway.answers = [says(DONE)]
    with line_to(gateway.url) as line:
        assert asked(line, CALL) == [None]
    (heard,) = gateway.heard
    assert heard.startswith(b"POST /gbot/recall_message HTTP/1.1\r\n")
    assert b"X-Gateway-Token: secret\r\n" in heard
    assert b"Content-Type: application/json\r\n" in heard
    assert heard.endswith(b'{"robot_id":"robot","message_no":"1"}')


def test_calls_share_connections(gateway):
    gateway.answers = [says(DONE)] * 6
    with line_to(gateway.url, places=2) as line:
        assert asked(line, *[CALL] * 6) == [None] * 6
    assert len(gateway.connections) <= 2


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (says(b'{"code": "301", "description": "no"}'), Refused, "gateway: 301 no"),
        (says(DONE, "500 Oops"), OutcomeUnknown, "gateway: HTTP 500"),
        (says(b"<html>"), OutcomeUnknown, "gateway: HTTP 200, not JSON"),
        (says(DONE, "302 Found\r\nLocation: http://127.0.0.1:1/"), None, ""),
        (None, OutcomeUnknown, "gateway: broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", OutcomeUnknown, "gateway: timed out"),
    ],
)
def test_what_is_told_of_an_answer(gateway, answer, kind, words):
    gateway.answers = [answer]
    with line_to(gateway.url, timeout=0.5) as line:
        (error,) = asked(line, CALL)
    assert error is None if kind is None else (type(error), str(error)[: len(words)]) == (kind, words)


def test_a_call_whose_kept_connection_breaks_off_is_not_made_again(gateway):
    """libcurl would repeat it of its own accord; whether to ask again is the sender's to say, and to write down."""
    gateway.answers = [says(DONE), None, says(DONE)]
    with line_to(gateway.url) as line:
        done, broken = asked(line, CALL), asked(line, CALL)
        assert (done, type(broken[0])) == ([None], OutcomeUnknown)
        assert len(gateway.heard) == 2
        assert asked(line, CALL) == [None]


def test_a_kept_connection_that_the_gateway_closed_meanwhile_is_replaced(gateway):
    gateway.answers = [says(DONE), says(DONE)]
    with line_to(gateway.url) as line:
        assert asked(line, CALL) == [None]
        gateway.connections[0].shutdown(socket.SHUT_RDWR)
        time.sleep(1.2)  # libcurl looks after its connections once a second
        assert asked(line, CALL) == [None]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://nowhere.invalid", "ftp://127.0.0.1"])
def test_a_gateway_that_is_not_there_was_certainly_not_asked(url):
    with line_to(url) as line:
        assert [type(error) for error in asked(line, CALL)] == [Unavailable]


def test_a_connection_that_is_not_secure_is_none(gateway):
    with line_to(gateway.url.replace("http:", "https:"), timeout=0.5) as line:
        assert [type(error) for error in asked(line, CALL)] == [Unavailable]


def test_what_waits_too_long_for_a_place_is_given_back(gateway):
    """Whoever hangs takes up the only place; the other call is not kept beyond a second."""
    gateway.answers = [b""]
    began = time.monotonic()
    with line_to(gateway.url, timeout=3.0) as line:
        line.ask([("hangs", CALL), ("waits", CALL)])
        answered = line.answers(seconds=2.5)
        assert [(one.key, type(one.error)) for one in answered] == [("waits", NotAsked)]
        assert 0.9 < time.monotonic() - began < 2.5
        assert [(one.key, type(one.error)) for one in line.answers(seconds=5)] == [("hangs", OutcomeUnknown)]


def test_a_closed_line_asks_nothing_more_and_waits_for_what_was_asked(gateway):
    gateway.answers = [b""]
    with line_to(gateway.url, timeout=1.0) as line:
        line.ask([("asked", CALL)])
        while not gateway.heard:
            time.sleep(0.01)
        line.close()
        line.ask([("late", CALL)])
        assert [(one.key, type(one.error)) for one in line.answers(seconds=2)] == [("late", NotAsked)]
        assert [(one.key, type(one.error)) for one in line.answers(seconds=5)] == [("asked", OutcomeUnknown)]
    assert len(gateway.heard) == 1


def test_a_line_that_is_hung_up_waits_for_nothing(gateway):
    gateway.answers = [b""]
    began = time.monotonic()
    with line_to(gateway.url, timeout=30.0) as line:
        line.ask([("hangs", CALL)])
        while not gateway.heard:
            time.sleep(0.01)
    assert time.monotonic() - began < 5
