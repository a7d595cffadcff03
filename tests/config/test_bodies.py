"""Bodies over a real socket: chunked bodies are read like others, and no body is read beyond its limit."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.authentication import issue_token
from config.models import ShortLink
from integrations.models import GatewayEvent
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.web_server import WebServer

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True, serialized_rollback=True)]
MIB = 1024**2
EVENT = {"event_id": "e-chunked", "command": "robot_added", "body": {"robot_id": "r", "user_id": "u"}}
LOGIN = "POST /admin/login/ HTTP/1.1\r\nCookie: csrftoken=" + "a" * 32


@pytest.fixture(scope="module")
def server(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WebServer]:
    with django_db_blocker.unblock():
        server = WebServer(tmp_path_factory.mktemp("web"))
    yield server
    server.stop()


def chunks(raw: bytes, size: int = 7) -> list[bytes]:
    """Return the body in chunks of this size in the format of HTTP/1.1."""
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    return [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces] + [b"0\r\n\r\n"]


def chunked(server: WebServer, method: str, path: str, raw: bytes, *headers: str, size: int = 7) -> Any:
    """Send a JSON body in chunks. Returns the HTTP status and the parsed response."""
    more = ["Content-Type: application/json", "Transfer-Encoding: chunked", *headers]
    answer, _sent = server.send("\r\n".join([f"{method} {path} HTTP/1.1", *more]), chunks(raw, size))
    return status_of(answer), json.loads(answer.partition(b"\r\n\r\n")[2])


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_chunked_event_is_stored(server: WebServer, size: int):
    status, answer = chunked(server, "POST", "/gateway/events", json.dumps(EVENT).encode(), size=size)
    assert (status, answer["code"]) == (200, 1200)
    assert GatewayEvent.objects.get().body == EVENT["body"]


def test_a_chunked_body_is_read_by_operations_of_users_too(server: WebServer):
    token = f"Authorization: Bearer {issue_token(UserFactory())}"
    _status, answer = chunked(server, "POST", "/long_to_short", b'{"url": "https://example.com/chunked"}', token)
    assert answer["code"] == 1200
    assert ShortLink.objects.get().url == "https://example.com/chunked"


def test_a_chunked_body_with_optional_fields_only_is_read(server: WebServer):
    _status, answer = chunked(server, "POST", "/admin/withdraw", b'{"status": 99}')
    assert (answer["code"], "status" in answer["description"]) == (1403, True)


def test_a_chunked_body_of_two_mebibytes_is_read(server: WebServer):
    raw = b'{"union_id": "%s"}' % (b"x" * (2 * MIB - 16))
    status, answer = chunked(server, "POST", "/auth", raw, size=65536)
    assert (len(raw), status, answer["code"]) == (2 * MIB, 200, 1403)


def test_a_chunked_body_without_an_end_is_cut_off_with_413(server: WebServer):
    head = "POST /gateway/events HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
    answer, sent = server.send(head, (b"10000\r\n" + b" " * 65536 + b"\r\n" for _ in range(1000)))
    assert (status_of(answer), json.loads(answer.partition(b"\r\n\r\n")[2])["code"]) == (413, 1413)
    assert sent < 10 * MIB


def test_the_sign_in_page_reads_no_hundred_megabytes(server: WebServer):
    head = f"{LOGIN}\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: {100 * MIB}"
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    answer, sent = server.send(head, [part, *([b"x" * 65536] * 1600)])
    assert status_of(answer) == 413
    assert "2 MiB" in answer.decode()
    assert sent < 10 * MIB
    assert list(server.tmp_dir.iterdir()) == []


def test_the_sign_in_page_reads_no_chunked_hundred_megabytes(server: WebServer):
    head = f"{LOGIN}\r\nContent-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked"
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    parts = chunks(part, 4096)[:-1] + [b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 1600
    answer, sent = server.send(head, parts)
    assert (status_of(answer), sent < 10 * MIB) == (413, True)
    assert list(server.tmp_dir.iterdir()) == []


def test_a_chunked_body_that_pauses_just_past_two_mebibytes_is_refused_for_its_length(server: WebServer):
    """gunicorn reads a kilobyte more than the one byte that proves the excess."""

    def parts() -> Iterator[bytes]:
        yield b"400000\r\n" + b" " * (2 * MIB + 1)
        time.sleep(0.5)
        yield b" " * 4096

    head = "POST /gateway/events HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
    answer, _sent = server.send(head, parts())
    assert (status_of(answer), json.loads(answer.partition(b"\r\n\r\n")[2])["code"]) == (413, 1413)


def test_a_body_with_two_lengths_is_refused(server: WebServer):
    head = "POST /gateway/events HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 5"
    answer, _sent = server.send(f"{head}\r\nTransfer-Encoding: chunked", chunks(json.dumps(EVENT).encode()))
    assert status_of(answer) == 400
    assert not GatewayEvent.objects.exists()


@pytest.mark.parametrize("broken", [b"zz\r\nxx\r\n", b"5\r\n{}\r\n0\r\n\r\n"])
def test_chunks_that_are_none_are_no_body(server: WebServer, broken: bytes):
    head = "POST /gateway/events HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
    answer, _sent = server.send(head, [broken])
    assert (status_of(answer), json.loads(answer.partition(b"\r\n\r\n")[2])["code"]) == (400, 1403)


def test_the_next_call_of_the_connection_is_answered(server: WebServer):
    with requests.Session() as session:
        url = f"http://127.0.0.1:{server.port}/gateway/events"
        body = json.dumps(EVENT).encode()
        kind = {"Content-Type": "application/json"}
        codes = [session.post(url, data=iter([body]), headers=kind, timeout=20).json()["code"] for _ in range(3)]
    assert codes == [1200] * 3


def test_a_server_that_reads_no_chunks_asks_for_a_length():
    headers = {"Transfer-Encoding": "chunked"}  # Django's test client does not read chunks
    answer = Client().post("/gateway/events", data=EVENT, content_type="application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (411, 1403)


def upload(lines: int) -> dict[str, Any]:
    """Return an upload with this number of lines, which repeat one sensitive word."""
    text = "示例敏感词\n" * lines
    return {"asked": "yes", "file": SimpleUploadedFile("words.csv", text.encode())}


THREE_MIB = 3 * MIB // 16


def test_operators_upload_more_than_others_may_send():
    answer = Operator().http.post("/admin/integrations/sensitiveword/do/take_in/", upload(THREE_MIB))
    assert (answer.status_code, "文件超过 1 MB" in answer.text) == (
        200,
        True,
    )  # read, and refused by the page's own rule


def test_no_upload_is_endless():
    answer = Operator().http.post("/admin/integrations/sensitiveword/do/take_in/", upload(4 * THREE_MIB))
    assert (answer.status_code, "10 MiB" in answer.text) == (413, True)


@pytest.mark.parametrize("who", ["nobody", "no permission", "another page"])
def test_only_operators_who_may_upload_send_large_bodies(who: str):
    http = Client() if who == "nobody" else Operator("finance" if who == "no permission" else "").http
    path = "accounts/user/add/" if who == "another page" else "integrations/sensitiveword/do/take_in/"
    answer = http.post(f"/admin/{path}", upload(THREE_MIB))
    assert (answer.status_code, "2 MiB" in answer.text) == (413, True)
