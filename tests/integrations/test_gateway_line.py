"""Many calls at once to a gateway that answers, hangs, breaks off or is not there: what is told of each, once."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from integrations.gateway import pool
from integrations.gateway.calls import GatewayCall, recall_message
from integrations.gateway.pool import GatewayLine, NotCalled
from integrations.http import Later, OutcomeUnknown, Refused, Unavailable
from tests.support.product import wait_for

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
        self.tls: ssl.SSLContext | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def speak_tls(self, folder: Path) -> None:
        """From now on, with a certificate that it signed itself."""
        key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        certificate = made.sign(key, hashes.SHA256())
        pem = serialization.Encoding.PEM
        plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
        (folder / "key.pem").write_bytes(key.private_bytes(pem, *plain))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
        self.url = self.url.replace("http:", "https:")

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            if self.tls:
                try:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                except OSError:  # the other side does not trust us
                    continue
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as lines:
            while True:
                head = b"".join(iter(lambda: lines.readline() or b"\r\n", b"\r\n"))
                if b"content-length: " not in head.lower():  # hung up, or no HTTP
                    return
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
        (says(DONE, "302 Found\r\nLocation: http://127.0.0.1:1/"), OutcomeUnknown, "gateway: HTTP 302"),
        (says(DONE, "404 Not Found"), OutcomeUnknown, "gateway: HTTP 404"),
        (says(DONE, "429 Too Many Requests"), Later, "gateway: HTTP 429"),
        (says(b'{"code": "301"}', "400 Bad Request"), Refused, "gateway: 301"),
        (None, OutcomeUnknown, "gateway: broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", OutcomeUnknown, "gateway: timed out"),
    ],
)
def test_what_is_told_of_an_answer(gateway, answer, kind, words):
    gateway.answers = [answer]
    with line_to(gateway.url, timeout=0.5) as line:
        (error,) = asked(line, CALL)
    assert (type(error), str(error)[: len(words)]) == (kind, words)


def test_a_call_whose_kept_connection_breaks_off_is_not_made_again(gateway):
    """libcurl would repeat it of its own accord; whether to ask again is the sender's to say, and to write down."""
    gateway.answers = [says(DONE), None, says(DONE)]
    with line_to(gateway.url) as line:
        done, broken = asked(line, CALL), asked(line, CALL)
        assert (done, type(broken[0])) == ([None], OutcomeUnknown)
        assert len(gateway.heard) == 2
        assert asked(line, CALL) == [None]


def test_connections_that_the_gateway_closed_meanwhile_are_replaced(gateway):
    """Of a burst all but one connection rest for more than a second; a call between keeps libcurl from looking at them."""
    gateway.answers = [says(DONE)] * 17
    with line_to(gateway.url, places=8) as line:
        assert asked(line, *[CALL] * 8) == [None] * 8
        time.sleep(1.1)
        assert asked(line, CALL) == [None]
        time.sleep(0.5)
        for connection in gateway.connections:
            with suppress(OSError):  # libcurl has closed it
                connection.shutdown(socket.SHUT_RDWR)
        time.sleep(0.6)
        assert asked(line, *[CALL] * 8) == [None] * 8


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://127.0.0.1"])
def test_a_gateway_that_is_not_there_was_certainly_not_asked(url):
    with line_to(url) as line:
        assert [type(error) for error in asked(line, CALL)] == [Unavailable]


def test_a_gateway_whose_certificate_nobody_vouches_for_hears_nothing(gateway, tmp_path):
    gateway.speak_tls(tmp_path)
    with line_to(gateway.url) as line:
        assert [type(error) for error in asked(line, CALL)] == [Unavailable]
    assert gateway.heard == []


def test_a_gateway_with_a_trusted_certificate_is_asked(gateway, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "certificates", lambda: str(tmp_path / "certificate.pem"))
    gateway.speak_tls(tmp_path)
    gateway.answers = [says(DONE)]
    with line_to(gateway.url) as line:
        assert asked(line, CALL) == [None]


def test_an_answer_that_has_no_end_is_not_kept(gateway):
    gateway.answers = [says(b" " * 2_000_000)]
    with line_to(gateway.url) as line:
        assert [type(error) for error in asked(line, CALL)] == [OutcomeUnknown]


def test_a_call_that_cannot_be_put_into_words_ends_no_other(gateway):
    gateway.answers = [says(DONE)]
    with line_to(gateway.url) as line:
        told = asked(line, GatewayCall("x", {"words": object()}), CALL)
    assert [type(error) for error in told] == [Unavailable, type(None)]


def test_whoever_waits_comes_back_when_attention_is_wanted(gateway):
    with line_to(gateway.url) as line:
        threading.Timer(0.2, line.attention).start()
        began = time.monotonic()
        assert line.answers(seconds=20) == []
        assert time.monotonic() - began < 10


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_line_whose_talker_died_says_so_instead_of_waiting_for_ever(gateway, monkeypatch):
    monkeypatch.setattr(GatewayLine, "_listen", None)
    with line_to(gateway.url) as line:
        line.ask([("lost", CALL)])
        with pytest.raises(RuntimeError, match="calls the gateway has ended"):
            [line.answers(seconds=0.5) for _ in range(20)]


def test_what_waits_too_long_for_a_place_is_given_back(gateway):
    """Whoever hangs takes up the only place; the other call is not kept beyond a second."""
    gateway.answers = [b""]
    with line_to(gateway.url, timeout=4.0) as line:
        line.ask([("hangs", CALL)])
        wait_for(lambda: gateway.heard)
        line.ask([("waits", CALL)])
        answered = line.answers(seconds=3.5)
        assert [(one.key, type(one.error)) for one in answered] == [("waits", NotCalled)]
        assert [(one.key, type(one.error)) for one in line.answers(seconds=5)] == [("hangs", OutcomeUnknown)]


def test_a_closed_line_asks_nothing_more_and_waits_for_what_was_asked(gateway):
    gateway.answers = [b""]
    with line_to(gateway.url, timeout=1.0) as line:
        line.ask([("asked", CALL)])
        wait_for(lambda: gateway.heard)
        line.close()
        line.ask([("late", CALL)])
        told = line.answers(seconds=2)
        while len(told) < 2:
            told += line.answers(seconds=5)
    assert {one.key: type(one.error) for one in told} == {"late": NotCalled, "asked": OutcomeUnknown}
    assert len(gateway.heard) == 1


def test_a_line_that_is_hung_up_waits_for_nothing(gateway):
    gateway.answers = [b""]
    began = time.monotonic()
    with line_to(gateway.url, timeout=30.0) as line:
        line.ask([("hangs", CALL)])
        wait_for(lambda: gateway.heard)
    assert time.monotonic() - began < 15
