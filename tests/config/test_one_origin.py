"""deploy/nginx.conf serves the mobile client and the API on one origin, and neither hides the other."""

import http.server
import os
import re
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.templatetags.static import static

from config.processes import free_port
from tests.contract.operations import OPERATIONS
from tests.journey.product import wait_for
from tests.processes import run_process, start_process

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy/nginx.conf"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
FOLDERS = ("static/js", "static/css", "static/media", "js", "images", "gpetmg/static")
OURS = ["/admin/", "/docs", "/schema", "/s/abc", static("admin/css/base.css"), static("backoffice/backoffice.css")]
_MAIN = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; {user}
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


class Api(http.server.BaseHTTPRequestHandler):
    """Stands for the web processes: answers with the headers that nginx gave it."""

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
def folder(tmp_path_factory: pytest.TempPathFactory, api: int) -> Path:
    """The example as somebody installs it here: with a certificate, a build of the client and our ports."""
    if NGINX is None:
        pytest.skip("No nginx here: 'apt-get install nginx' brings it.")
    folder = tmp_path_factory.mktemp("nginx")
    certify(folder)
    build = folder / "build"
    for place in FOLDERS:
        (build / place).mkdir(parents=True)
        (build / place / "own.txt").write_text(place)
    (build / "index.html").write_text("the client")
    (build / "MP_verify_x1.txt").write_text("x1")
    site = EXAMPLE.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{api}")
    site = site.replace("/etc/ssl/h5.example.com", str(folder)).replace("/srv/wxrobot-client", str(build))
    site = site.replace("listen 443", f"listen 127.0.0.1:{free_port()}")
    site = site.replace("listen 80", f"listen 127.0.0.1:{free_port()}")
    (folder / "site.conf").write_text(site)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user))
    return folder


def certify(folder: Path) -> None:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().issuer_name(name).subject_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.add_extension(here, critical=True).sign(key, hashes.SHA256())
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "privkey.pem").write_bytes(secret)


def nginx(folder: Path, *arguments: str) -> list[str]:
    return [str(NGINX), "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf"), *arguments]


class Site:
    """The origin, as a browser meets it."""

    def __init__(self, folder: Path) -> None:
        port = re.search(r"listen (127\.0\.0\.1:\d+) ssl", (folder / "site.conf").read_text())
        assert port is not None
        self.url, self.certificate = f"https://{port[1]}", str(folder / "fullchain.pem")

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, verify=self.certificate, timeout=5)


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[Site]:
    process = start_process(nginx(folder), "nginx", env=os.environ)
    site = Site(folder)

    def answers() -> bool:
        try:
            return site.get("/grouppet/home").ok
        except requests.ConnectionError:
            return False

    wait_for(answers)
    yield site
    process.terminate()
    process.wait(10)


def test_nginx_takes_the_example(folder: Path):
    done = run_process(nginx(folder, "-t"), "nginx")
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


@pytest.mark.parametrize("path", ["/grouppet", "/grouppet/home?userId=x", "/grouppet/messmsgetails/1/2"])
def test_every_page_of_the_client_is_its_one_html_file(site: Site, path: str):
    response = site.get(path)
    assert (response.text, response.headers["Cache-Control"]) == ("the client", "no-cache")


def test_the_clients_own_files_are_served_and_missing_ones_are_missing(site: Site):
    for place in FOLDERS:
        assert site.get(f"/{place}/own.txt").text == place
        assert site.get(f"/{place}/missing.txt").status_code == 404
    assert site.get("/MP_verify_x1.txt").text == "x1"


def test_every_operation_reaches_the_api(site: Site):
    paths = [re.sub(r"[{}]", "", one.path) for one in OPERATIONS]
    hidden = [path for path in (*paths, *OURS) if not site.get(path).text.startswith("api ")]
    assert hidden == []


def test_the_api_hears_who_called_and_how(site: Site):
    assert site.get("/groups").text == f"api {site.url.removeprefix('https://').split(':')[0]} 127.0.0.1 https"


def test_a_head_that_is_never_finished_is_cut_off(site: Site):
    host, port = site.url.removeprefix("https://").split(":")
    context = ssl.create_default_context(cafile=site.certificate)
    began = time.monotonic()
    with context.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=host) as line:
        line.sendall(b"GET /groups HTTP/1.1\r\nHost: ")
        assert line.recv(1) == b""
    assert 9 < time.monotonic() - began < 15
