"""A real gunicorn with the database of the tests, called over a socket."""

import os
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
from django.db import connection

from config.local.processes import free_port
from config.platform.embedded_mode import read_services
from tests.support.processes import log_of, start_process


class WebServer:
    """A web server with one worker, in the embedded mode, as `up` runs it."""

    def __init__(self, run_dir: Path, **variables: str) -> None:
        self.port = free_port()
        (run_dir / "static").mkdir()
        (run_dir / "tmp").mkdir()
        self.tmp_dir = run_dir / "tmp"
        (run_dir / "services.json").write_bytes(orjson.dumps(_services()))
        kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        env = kept | {"RUN_DIR": str(run_dir), "TMPDIR": str(self.tmp_dir), "HTTPS": "0"}
        env |= {"WEB_WORKERS": "1", "WEB_THREADS": "4", **variables}
        argv = [sys.executable, "-m", "gunicorn", "config.wsgi", "--config", "gunicorn.conf.py"]
        argv += ["--bind", f"127.0.0.1:{self.port}"]
        self.process = start_process(argv, "web", env=env)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(OSError), closing(self._connect()):
                return
            time.sleep(0.1)
        raise AssertionError("the web server does not listen")

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    @property
    def log(self) -> str:
        return log_of(self.process)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def send(self, head: str, parts: Iterable[bytes]) -> tuple[bytes, int]:
        """Send a head and the parts until the server responds or closes. Returns the response and the bytes sent."""
        sent = 0
        with closing(self._connect()) as line:
            line.sendall(f"{head}\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
            line.setblocking(False)
            answer = b""
            for part in parts:
                answer = _received(line)
                if answer or not _send_all(line, part):
                    break
                sent += len(part)
            line.setblocking(True)
            return answer + _rest(line), sent


def _services() -> dict[str, Any]:
    """Return the URLs of the tests' database and Redis."""
    answer = read_services(Path(os.environ["RUN_DIR"])) or {}
    fields = connection.get_connection_params()
    user, host = quote(str(fields["user"])), quote(str(fields["host"]), safe="")
    secret = f":{quote(str(fields['password']))}" if fields.get("password") else ""
    port = fields.get("port", 5432)
    database = f"postgres://{user}{secret}@{host}:{port}/{fields['dbname']}"
    return {**answer, "database_url": database, "redis_url": os.environ.get("REDIS_URL") or answer["redis_url"]}


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(65536)
    except BlockingIOError:
        return b""
    except OSError:
        return b"-"  # the server closed the connection


def _send_all(line: socket.socket, part: bytes) -> bool:
    """Send the part, waiting while the server does not read. Returns False when the server closed or responded."""
    deadline = time.monotonic() + 20
    while part and time.monotonic() < deadline:
        try:
            part = part[line.send(part) :]
        except BlockingIOError:
            time.sleep(0.005)
            with suppress(OSError):
                if line.recv(1, socket.MSG_PEEK):
                    return False
        except OSError:
            return False
    return not part


def _rest(line: socket.socket) -> bytes:
    answer = b""
    with suppress(OSError):
        while part := line.recv(65536):
            answer += part
            if _is_whole(answer):
                break
    return answer


def _is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    lengths = [int(one.split(b":")[1]) for one in head.split(b"\r\n") if one.lower().startswith(b"content-length:")]
    return bool(lengths) and len(body) >= lengths[0]
