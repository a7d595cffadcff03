"""deploy/nginx.conf serves the mobile client and the API on one origin without conflicts of paths."""

import http.server
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.templatetags.static import static

from tests.contract.operations import OPERATIONS
from tests.support.nginx import EXAMPLE, FOLDERS, Proxy
from tests.support.paths import PROJECT
from tests.support.processes import run_process

OURS = ["/admin/", "/docs", "/schema", "/s/abc", static("admin/css/base.css"), static("backoffice/backoffice.css")]


class Api(http.server.BaseHTTPRequestHandler):
    """A stand-in for the web server that returns the headers from nginx."""

    def do_GET(self) -> None:
        body = f"api {self.headers['Host']} {self.headers['X-Forwarded-For']} {self.headers['X-Forwarded-Proto']}"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def api() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def site(api: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    proxy = Proxy(tmp_path_factory.mktemp("nginx"), api).start()
    yield proxy
    proxy.stop()


def test_nginx_takes_the_example(site: Proxy):
    done = run_process(site.argv("-t"), "nginx")
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_the_proxy_gives_up_an_idle_connection_before_gunicorn_does():
    """A request sent into a connection that gunicorn is closing would be answered with 502."""
    of_nginx = re.search(r"upstream wxrobot {[^}]*keepalive_timeout (\d+)s;", EXAMPLE.read_text())
    of_gunicorn = re.search(r"^keepalive = (\d+)", (PROJECT / "gunicorn.conf.py").read_text(), re.MULTILINE)
    assert of_nginx is not None
    assert of_gunicorn is not None
    assert int(of_nginx[1]) < int(of_gunicorn[1])


@pytest.mark.parametrize("path", ["/grouppet", "/grouppet/home?userId=x", "/grouppet/messmsgetails/1/2"])
def test_every_page_of_the_client_is_its_one_html_file(site: Proxy, path: str):
    response = site.get(path)
    assert (response.text, response.headers["Cache-Control"]) == ("the client", "no-cache")


def test_the_clients_own_files_are_served_and_missing_ones_are_missing(site: Proxy):
    for place in FOLDERS:
        assert site.get(f"/{place}/own.txt").text == place
        assert site.get(f"/{place}/missing.txt").status_code == 404
    assert site.get("/MP_verify_x1.txt").text == "x1"


def test_every_operation_reaches_the_api(site: Proxy):
    paths = [re.sub(r"[{}]", "", one.path) for one in OPERATIONS]
    hidden = [path for path in (*paths, *OURS) if not site.get(path).text.startswith("api ")]
    assert hidden == []


def test_the_api_receives_the_callers_address_and_scheme(site: Proxy):
    assert site.get("/groups").text == f"api {site.url.removeprefix('https://').split(':')[0]} 127.0.0.1 https"


def test_a_head_that_is_never_finished_is_cut_off(site: Proxy):
    host, port = site.url.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=site.certificate)
    began = time.monotonic()
    with context.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=host) as line:
        line.sendall(b"GET /groups HTTP/1.1\r\nHost: ")
        assert line.recv(1) == b""
    assert 9 < time.monotonic() - began < 15
