"""nginx with deploy/nginx.conf, a certificate and a build of the client, on free ports."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from config.local.processes import free_port
from tests.support.paths import PROJECT
from tests.support.processes import start_process
from tests.support.product import wait_for

EXAMPLE = PROJECT / "deploy/nginx.conf"
FOLDERS = ("static/js", "static/css", "static/media", "js", "images", "gpetmg/static")
_NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
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


class Proxy:
    """An nginx in front of the web server at `api_port`. Skips the test when nginx is not installed."""

    def __init__(self, folder: Path, api_port: int) -> None:
        if _NGINX is None:
            pytest.skip("No nginx here: 'apt-get install nginx' brings it.")
        self.folder, self.port = folder, free_port()
        self.url, self.certificate = f"https://127.0.0.1:{self.port}", str(folder / "fullchain.pem")
        self.process: subprocess.Popen[str] | None = None
        _certify(folder)
        _build_client(folder / "build")
        site = EXAMPLE.read_text().replace("127.0.0.1:8000", f"127.0.0.1:{api_port}")
        site = site.replace("/etc/ssl/h5.example.com", str(folder)).replace(
            "/srv/wxrobot-client", f"{folder}/build"
        )
        site = site.replace("listen 443", f"listen 127.0.0.1:{self.port}")
        site = site.replace("listen 80", f"listen 127.0.0.1:{free_port()}")
        (folder / "site.conf").write_text(site)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=user))

    def argv(self, *arguments: str) -> list[str]:
        return [str(_NGINX), "-p", str(self.folder), "-e", "stderr", "-c", f"{self.folder}/nginx.conf", *arguments]

    def start(self) -> "Proxy":
        self.process = start_process(self.argv(), "nginx", env=os.environ)
        wait_for(self._answers)
        return self

    def _answers(self) -> bool:
        try:
            return self.get("/grouppet/home").ok
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, verify=self.certificate, timeout=5)


def _certify(folder: Path) -> None:
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


def _build_client(build: Path) -> None:
    for place in FOLDERS:
        (build / place).mkdir(parents=True)
        (build / place / "own.txt").write_text(place)
    (build / "index.html").write_text("the client")
    (build / "MP_verify_x1.txt").write_text("x1")
