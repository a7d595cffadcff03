"""`manage.py up`: run the whole product on one machine until Ctrl-C."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing, suppress
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.local.embedded import EmbeddedError, EmbeddedServices
from config.local.processes import die_with_parent
from config.local.reloading import Reloader
from config.local.supervisor import Child, Console, Supervisor
from integrations.sandbox.keys import ensure_keys

HEALTHY_SECONDS = 30
# Celery prints a long warning for root at every start, which does not matter on a local machine.
_WITHOUT_ROOT_WARNING = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser"}


class Command(BaseCommand):
    help = (
        "Start the database, Redis, web, worker, sender, beat and the sandbox, and keep them running until Ctrl-C."
    )
    requires_system_checks: list[str] = []  # the database does not run yet
    current_command: subprocess.Popen[bytes] | None = None

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-demo", action="store_true", help="do not load the demo world")
        parser.add_argument(
            "--reload", action="store_true", help="restart the programs when a source file is edited"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.console = Console()
        settings.RUN_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.STATIC_ROOT.mkdir(exist_ok=True)
        with _only_one(settings.RUN_DIR / "up.lock"):
            _check_ports()
            services = EmbeddedServices(
                settings.RUN_DIR, database=settings.EMBEDDED, redis=not os.environ.get("REDIS_URL")
            )
            supervisor = Supervisor([], self._log)
            supervisor.stop_request.install(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            try:
                self._start(services, supervisor, demo=not options["no_demo"], reload=options["reload"])
            except EmbeddedError as error:
                raise CommandError(str(error)) from error
            finally:
                self._log("up", "stopping …")
                self._end_current_command()
                supervisor.stop()
                services.stop()
                self._log("up", "stopped")

    def _log(self, name: str, line: str) -> None:
        self.console.log(name, line)

    def _manage(self, *arguments: str) -> int:
        """Run a management command with our output and wait for its end. Returns its exit status."""
        argv = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
        self.current_command = subprocess.Popen(
            argv,
            cwd=settings.BASE_DIR,
            start_new_session=True,
            preexec_fn=lambda: die_with_parent(signal.SIGTERM),
        )
        return self.current_command.wait()

    def _end_current_command(self) -> None:
        if self.current_command is not None and self.current_command.poll() is None:
            self.current_command.kill()
            self.current_command.wait()

    def _start(self, services: EmbeddedServices, supervisor: Supervisor, *, demo: bool, reload: bool) -> None:
        started_at = time.monotonic()
        self._log("up", "starting PostgreSQL and Redis …")
        services.start()
        self._log("up", "migrating the database …")
        ensure_keys(settings.RUN_DIR / "keys")
        if self._manage("prepare") != 0:
            raise CommandError("The database could not be prepared; the lines above say why.")
        if supervisor.stop_request.requested():
            return
        supervisor.children = children()
        supervisor.start()
        announcer = threading.Thread(target=self._announce, args=(supervisor, started_at, demo), daemon=True)
        announcer.start()
        reloader = Reloader(settings.BASE_DIR, supervisor, self._log) if reload else None

        def each_turn() -> None:
            _restart_services(services, supervisor, self._log)
            if reloader is not None:
                reloader.look()

        supervisor.run(each_turn)

    def _announce(self, supervisor: Supervisor, started_at: float, demo: bool) -> None:
        """Wait until the web server answers, print the addresses, then load the robots and the demo world."""
        url = f"http://127.0.0.1:{settings.PORT}/app/status"
        while not _answers(url, supervisor):
            if supervisor.stop_request.requested():
                return
            self._log("up", f"the web does not answer yet after {time.monotonic() - started_at:.0f} s; waiting on")
        self._log("up", f"ready after {time.monotonic() - started_at:.0f} s — stop with Ctrl-C")
        for title, path in (("API docs", "/docs"), ("Admin", "/admin/")):
            self._log("up", f"{title:<9} http://127.0.0.1:{settings.PORT}{path}")
        if not settings.EMBEDDED:
            return
        self._log("up", f"{'Sandbox':<9} http://127.0.0.1:{settings.SANDBOX_PORT}/_/")
        steps = [["sync_robots"], ["demo"]] if demo else [["sync_robots"]]
        for step in steps:
            if (
                not supervisor.stop_request.requested()
                and self._manage(*step) != 0
                and not supervisor.stop_request.requested()
            ):
                self._log("up", f"'manage.py {step[0]}' did not finish; the lines above say why. The rest runs on.")


def _only_one(path: Path) -> IO[str]:
    """Return the lock file of this directory's `up`. The kernel releases the lock when the process dies."""
    lock = path.open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        raise CommandError(f"Already running ({lock.read().strip()}). Stop that one first.") from error
    lock.truncate(0)
    lock.write(f"pid {os.getpid()}, http://127.0.0.1:{settings.PORT}/")
    lock.flush()
    return lock


def _check_ports() -> None:
    wanted = {"PORT": settings.PORT} | ({"SANDBOX_PORT": settings.SANDBOX_PORT} if settings.EMBEDDED else {})
    for name, port in wanted.items():
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise CommandError(
                    f"Port {port} is taken by another program. Choose another one, for example: {name}={port + 100} make run"
                ) from error


def web_command(port: int) -> list[str]:
    """Return the command of the web server on one machine."""
    config = str(settings.BASE_DIR / "gunicorn.conf.py")
    return [sys.executable, "-m", "gunicorn", "config.wsgi", "--config", config, "--bind", f"127.0.0.1:{port}"]


def children() -> list[Child]:
    """Return the programs of the product on one machine, according to the settings."""
    python, base, run_dir = sys.executable, settings.BASE_DIR, settings.RUN_DIR
    celery = [python, "-m", "celery", "--quiet", "-A", "config"]
    worker = [*celery, "worker", "--loglevel", "WARNING", "--pool", "threads", "--concurrency", "8"]
    worker += ["--without-gossip", "--without-mingle"]
    beat = [*celery, "beat", "--loglevel", "WARNING", "--pidfile="]
    children = [
        Child("web", web_command(settings.PORT), base),
        Child("worker", worker, base, _WITHOUT_ROOT_WARNING),
        Child("sender", [python, str(base / "manage.py"), "send"], base),
        # SIGKILL: a second SIGTERM inside the handler of the first, while beat saves its schedule, deadlocks beat.
        Child("beat", beat, base, death_signal=signal.SIGKILL),
    ]
    if settings.EMBEDDED:
        key = {"SANDBOX_API_KEY": (run_dir / "sandbox-key").read_text()}
        children.insert(0, Child("sandbox", [python, str(base / "manage.py"), "sandbox"], base, key))
    return children


def _restart_services(services: EmbeddedServices, supervisor: Supervisor, log: Any) -> None:
    """Restart a database or Redis that died. Its port changes, so all children are restarted too."""
    if services.are_running() or supervisor.stop_request.requested():
        return
    log("up", "PostgreSQL or Redis ended; starting them again")
    services.stop()
    services.start()
    for child in supervisor.children:
        if child.process is not None:
            child.process.terminate()


def _answers(url: str, supervisor: Supervisor) -> bool:
    deadline = time.monotonic() + HEALTHY_SECONDS
    while time.monotonic() < deadline and not supervisor.stop_request.requested():
        with suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own address
            return True
        time.sleep(0.2)
    return False
