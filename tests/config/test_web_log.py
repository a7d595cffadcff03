"""The logs of gunicorn, its access log and the output of its processes are masked and escaped."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.product import wait_for
from tests.support.web_server import WebServer

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.processes,
    pytest.mark.xdist_group("processes"),
]
KEY = "abcdefghijklmnop_QRSTUVW"
LINE = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+]\d{4}\] \[\d+\] \[[A-Z]+\] .+"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def server(folder: Path, django_db_setup: None, django_db_blocker: Any) -> Iterator[WebServer]:
    with django_db_blocker.unblock():
        access = f"--access-logfile {folder}/access.log"
        server = WebServer(folder, GUNICORN_CMD_ARGS=access)
    yield server
    server.stop()


def written_after(server: WebServer, head: str) -> str:
    """Return the log of the web server after a request with this head."""
    before = len(server.log)
    server.send(head, [])
    wait_for(lambda: server.log[before:].endswith("\n"), 10, lambda: server.log)
    return server.log[before:]


def test_a_request_line_that_cannot_be_read_is_logged_without_numbers(server: WebServer):
    written = written_after(server, "GET /x?phone=13800138000&card=44052418800101001X")
    assert "Invalid" in written
    assert "138****8000" in written
    assert "(identity card)" in written


@pytest.mark.parametrize(
    "header",
    [
        f"X-Api-Key {KEY}{KEY}",
        f"Authorization Bearer {KEY}",
        f"Cookie sessionid={KEY}",
        f"Referer https://h5.example.com/grouppet/home?userId={KEY}",
    ],
)
def test_a_header_that_cannot_be_read_is_logged_without_its_secret(server: WebServer, header: str):
    written = written_after(server, f"GET /app/status HTTP/1.1\r\n{header}")
    assert "Invalid" in written
    assert KEY not in written


@pytest.mark.parametrize("mark", ["\x1b[31m", "\x85", "\u2028", "\x0b"])
def test_a_caller_forges_no_line_of_the_web_servers_log(server: WebServer, mark: str):
    written = written_after(server, f"GET /a{mark}[2026-11-26 23:59:59 +0000] [1] [CRITICAL] FAKE HTTP/1.1 x")
    assert mark not in written
    assert all(re.fullmatch(LINE, line) for line in written.splitlines()), written


def test_the_access_log_is_masked_too(server: WebServer, folder: Path):
    server.send(f"GET /s/{KEY}?phone=13800138000&code=0123456789 HTTP/1.1", [])
    written = (folder / "access.log").read_text
    wait_for(lambda: "138****8000" in written(), 10, written)
    assert KEY not in written()
    assert "0123456789" not in written()


def test_the_web_server_keeps_its_level(server: WebServer):
    assert "Listening at" not in server.log  # INFO, below the level of gunicorn.conf.py
