"""Many calls at once to a gateway that answers, hangs, breaks off or is absent: each call gets exactly one result."""

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
from integrations.gateway.pool import GatewayPool, NotCalled
from integrations.http import Busy, OutcomeUnknown, Refused, Unavailable
from tests.support.product import wait_for

DONE = b'{"code": "100"}'
CALL = recall_message(robot="robot", message_no="1")


class Gateway:
    """A server that sends the prepared `answers` in their order, and keeps the requests that it received."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self.answers: list[bytes | None] = []  # None: the connection breaks off
        self.received: list[bytes] = []
        self.connections: list[socket.socket] = []
        self.tls: ssl.SSLContext | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def speak_tls(self, folder: Path) -> None:
        """Use TLS from now on, with a self-signed certificate."""
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
                if b"content-length: " not in head.lower():  # the connection was closed, or it is no HTTP
                    return
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.received.append(head + lines.read(length))
                answer = self.answers.pop(0)
                if answer is None:
                    return
                connection.sendall(answer)

    def close(self) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        for connection in self.connections:
            connection.close()


def response(body: bytes, status: str = "200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    yield server
    server.close()


def pool_for(url: str, *, timeout: float = 5.0, slots: int = 1) -> GatewayPool:
    return GatewayPool(url, "secret", timeout, slots)


def results_of(gateway_pool: GatewayPool, *calls: GatewayCall) -> list[Exception | None]:
    """Submit the calls and return the error of each."""
    gateway_pool.submit(list(enumerate(calls)))
    errors: dict[object, Exception | None] = {}
    deadline = time.monotonic() + 20
    while len(errors) < len(calls) and time.monotonic() < deadline:
        errors |= dict(gateway_pool.results(seconds=1))
    return [errors[index] for index in range(len(calls))]


def test_a_call_carries_its_body_and_the_token(gateway):
    gateway.answers = [response(DONE)]
    with pool_for(gateway.url) as gateway_pool:
        assert results_of(gateway_pool, CALL) == [None]
    (request,) = gateway.received
    assert request.startswith(b"POST /gbot/recall_message HTTP/1.1\r\n")
    assert b"X-Gateway-Token: secret\r\n" in request
    assert b"Content-Type: application/json\r\n" in request
    assert request.endswith(b'{"robot_id":"robot","message_no":"1"}')


def test_calls_share_connections(gateway):
    gateway.answers = [response(DONE)] * 6
    with pool_for(gateway.url, slots=2) as gateway_pool:
        assert results_of(gateway_pool, *[CALL] * 6) == [None] * 6
    assert len(gateway.connections) <= 2


@pytest.mark.parametrize(
    ("answer", "error_class", "text"),
    [
        (response(b'{"code": "301", "description": "no"}'), Refused, "gateway: 301 no"),
        (response(DONE, "500 Oops"), OutcomeUnknown, "gateway: HTTP 500"),
        (response(b"<html>"), OutcomeUnknown, "gateway: HTTP 200, not JSON"),
        (response(DONE, "302 Found\r\nLocation: http://127.0.0.1:1/"), OutcomeUnknown, "gateway: HTTP 302"),
        (response(DONE, "404 Not Found"), OutcomeUnknown, "gateway: HTTP 404"),
        (response(DONE, "429 Too Many Requests"), Busy, "gateway: HTTP 429"),
        (response(b'{"code": "301"}', "400 Bad Request"), Refused, "gateway: 301"),
        (None, OutcomeUnknown, "gateway: broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", OutcomeUnknown, "gateway: timed out"),
    ],
)
def test_each_answer_gives_its_result(gateway, answer, error_class, text):
    gateway.answers = [answer]
    with pool_for(gateway.url, timeout=0.5) as gateway_pool:
        (error,) = results_of(gateway_pool, CALL)
    assert (type(error), str(error)[: len(text)]) == (error_class, text)


def test_a_call_whose_kept_connection_breaks_off_is_not_made_again(gateway):
    """libcurl would repeat the call by itself; but the sender decides about another attempt, and stores each one."""
    gateway.answers = [response(DONE), None, response(DONE)]
    with pool_for(gateway.url) as gateway_pool:
        done, broken = results_of(gateway_pool, CALL), results_of(gateway_pool, CALL)
        assert (done, type(broken[0])) == ([None], OutcomeUnknown)
        assert len(gateway.received) == 2
        assert results_of(gateway_pool, CALL) == [None]


def test_connections_that_the_gateway_closed_meanwhile_are_replaced(gateway):
    """After a burst all connections but one are idle for over a second; a call between keeps libcurl from checking them."""
    gateway.answers = [response(DONE)] * 17
    with pool_for(gateway.url, slots=8) as gateway_pool:
        assert results_of(gateway_pool, *[CALL] * 8) == [None] * 8
        time.sleep(1.1)
        assert results_of(gateway_pool, CALL) == [None]
        time.sleep(0.5)
        for connection in gateway.connections:
            with suppress(OSError):  # libcurl has closed it
                connection.shutdown(socket.SHUT_RDWR)
        time.sleep(0.6)
        assert results_of(gateway_pool, *[CALL] * 8) == [None] * 8


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://127.0.0.1"])
def test_a_gateway_without_connection_is_unavailable(url):
    with pool_for(url) as gateway_pool:
        assert [type(error) for error in results_of(gateway_pool, CALL)] == [Unavailable]


def test_a_gateway_with_an_untrusted_certificate_receives_nothing(gateway, tmp_path):
    gateway.speak_tls(tmp_path)
    with pool_for(gateway.url) as gateway_pool:
        assert [type(error) for error in results_of(gateway_pool, CALL)] == [Unavailable]
    assert gateway.received == []


def test_a_gateway_with_a_trusted_certificate_is_called(gateway, tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "certificates", lambda: str(tmp_path / "certificate.pem"))
    gateway.speak_tls(tmp_path)
    gateway.answers = [response(DONE)]
    with pool_for(gateway.url) as gateway_pool:
        assert results_of(gateway_pool, CALL) == [None]


def test_an_answer_above_the_limit_is_broken_off(gateway):
    gateway.answers = [response(b" " * 2_000_000)]
    with pool_for(gateway.url) as gateway_pool:
        assert [type(error) for error in results_of(gateway_pool, CALL)] == [OutcomeUnknown]


def test_a_call_that_cannot_be_encoded_ends_no_other(gateway):
    gateway.answers = [response(DONE)]
    with pool_for(gateway.url) as gateway_pool:
        errors = results_of(gateway_pool, GatewayCall("x", {"body": object()}), CALL)
    assert [type(error) for error in errors] == [Unavailable, type(None)]


def test_an_interrupt_ends_the_wait_for_results(gateway):
    with pool_for(gateway.url) as gateway_pool:
        threading.Timer(0.2, gateway_pool.interrupt).start()
        began = time.monotonic()
        assert gateway_pool.results(seconds=20) == []
        assert time.monotonic() - began < 10


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_pool_whose_thread_died_raises_instead_of_waiting_for_ever(gateway, monkeypatch):
    monkeypatch.setattr(GatewayPool, "_collect", None)
    with pool_for(gateway.url) as gateway_pool:
        gateway_pool.submit([("lost", CALL)])
        with pytest.raises(RuntimeError, match="calls the gateway has ended"):
            [gateway_pool.results(seconds=0.5) for _ in range(20)]


def test_a_call_that_waits_too_long_for_a_slot_is_returned_as_not_called(gateway):
    """A call that hangs occupies the only slot; the other call waits for a second at most."""
    gateway.answers = [b""]
    with pool_for(gateway.url, timeout=4.0) as gateway_pool:
        gateway_pool.submit([("hangs", CALL)])
        wait_for(lambda: gateway.received)
        gateway_pool.submit([("waits", CALL)])
        first = gateway_pool.results(seconds=3.5)
        assert [(result.key, type(result.error)) for result in first] == [("waits", NotCalled)]
        last = gateway_pool.results(seconds=5)
        assert [(result.key, type(result.error)) for result in last] == [("hangs", OutcomeUnknown)]


def test_a_closed_pool_makes_no_further_calls_and_waits_for_those_under_way(gateway):
    gateway.answers = [b""]
    with pool_for(gateway.url, timeout=1.0) as gateway_pool:
        gateway_pool.submit([("under way", CALL)])
        wait_for(lambda: gateway.received)
        gateway_pool.close()
        gateway_pool.submit([("late", CALL)])
        results = gateway_pool.results(seconds=2)
        while len(results) < 2:
            results += gateway_pool.results(seconds=5)
    errors = {result.key: type(result.error) for result in results}
    assert errors == {"late": NotCalled, "under way": OutcomeUnknown}
    assert len(gateway.received) == 1


def test_a_pool_that_is_left_waits_for_nothing(gateway):
    gateway.answers = [b""]
    began = time.monotonic()
    with pool_for(gateway.url, timeout=30.0) as gateway_pool:
        gateway_pool.submit([("hangs", CALL)])
        wait_for(lambda: gateway.received)
    assert time.monotonic() - began < 15
