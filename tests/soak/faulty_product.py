"""A product on real processes, whose parts are killed, stopped and restarted one by one."""

import os
import re
import signal
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import requests

from config.local.embedded import EmbeddedServices
from config.local.supervisor import Child, Supervisor
from tests.support.product import Product, wait_for
from tests.support.secrets_in_use import watch
from tests.support.servers import WithServers

WEB_WORKERS = 2
ENVIRONMENT = {
    "ENFORCE_AUTH": "1",
    "WEB_WORKERS": str(WEB_WORKERS),
    "ROBOT_MESSAGES_PER_MINUTE": "0",
    # All callers share one address, and a few users make the calls of many.
    "THROTTLE_SMS": "1000/20",
    "THROTTLE_SMS_DAY": "1000/86400",
    "THROTTLE_WITHDRAW": "1000/60",
    "THROTTLE_PHONE": "1000/60",
    "THROTTLE_ROBOT_NAME": "1000/60",
    "THROTTLE_LAUNCH_SWITCH": "1000/60",
    "THROTTLE_MODERATED": "1000/60",
    "THROTTLE_OPERATOR_SIGN_IN": "1000/60",
}


class FaultyProduct(WithServers, Product):
    """The programs of `manage.py up`. The servers keep their ports over a restart, like servers of a deployment.

    Call `start` after this process has `environment` and Django. Faults are made in the thread that called `start`.
    """

    def __init__(self, run_dir: Path) -> None:
        super().__init__(run_dir, **ENVIRONMENT)
        self.env["CLIENT_BASE_URL"] = f"{self.url}/grouppet"
        (run_dir / "static").mkdir(parents=True)
        self.services = EmbeddedServices(run_dir)
        self.services.start()
        watch(run_dir)
        self.log_file = (run_dir / "log" / "processes.log").open("w")
        self.lock = threading.Lock()
        self.password = ""
        self.sandbox_child: Child | None = None
        self.supervising: threading.Thread | None = None

    def start(self) -> "FaultyProduct":
        import_module("django.core.management").call_command("check", verbosity=0)
        import_module("integrations.sandbox.keys").ensure_keys(self.run_dir / "keys")
        found = re.search(r"Password:\s+(\S+)", self.run("prepare"))
        assert found, "prepare shows no password"
        self.password = found[1]
        children = import_module("config.management.commands.up").children()
        self.sandbox_child = next(child for child in children if child.name == "sandbox")
        self.sandbox_child.start(self.log)
        self.supervisor = Supervisor([child for child in children if child is not self.sandbox_child], self.log)
        self.supervising = threading.Thread(target=self._supervise)
        self.supervising.start()
        wait_for(self.is_whole, 180, lambda: "the product does not start")
        self.run("sync_robots")
        return self

    def _supervise(self) -> None:
        self.supervisor.start()
        self.supervisor.run()
        self.supervisor.stop()

    def log(self, name: str, line: str) -> None:
        with self.lock:
            self.log_file.write(f"{time.strftime('%H:%M:%S')} {name:<8}| {line}\n")
            self.log_file.flush()

    def is_whole(self) -> bool:
        """Return whether all processes run and the web server and the sandbox respond."""
        running = all(child.process is not None and child.process.poll() is None for child in self.children)
        return running and len(self.web_workers()) == WEB_WORKERS and self.web_answers() and self.sandbox_answers()

    @property
    def children(self) -> list[Child]:
        return self.supervisor.children

    def web_answers(self) -> bool:
        return _answers(f"{self.url}/app/status")

    def sandbox_answers(self) -> bool:
        return _answers(f"{self.sandbox_url}/_/")

    # Faults

    def kill(self, name: str) -> None:
        """Kill the main process of a program."""
        [child] = [child for child in self.children if child.name == name]
        assert child.process is not None
        os.kill(child.process.pid, signal.SIGKILL)

    def web_workers(self) -> list[int]:
        [web] = [child for child in self.children if child.name == "web"]
        if web.process is None:
            return []
        with suppress(OSError):
            pid = web.process.pid
            return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def kill_web_worker(self) -> None:
        os.kill(min(self.web_workers()), signal.SIGKILL)

    def stop_sandbox(self) -> None:
        assert self.sandbox_child is not None
        self.sandbox_child.kill_group(signal.SIGTERM)
        assert self.sandbox_child.process is not None
        self.sandbox_child.process.wait(10)

    def start_sandbox(self) -> None:
        assert self.sandbox_child is not None
        self.sandbox_child.start(self.log)
        wait_for(self.sandbox_answers, 30)

    def close(self) -> None:
        """Stop everything, also after an incomplete `start`."""
        if self.supervising is not None:
            self.supervisor.stop_request.count += 1
            self.supervisor.stop_request.interrupt_wait()
            self.supervising.join()
        if self.sandbox_child is not None:
            self.stop_sandbox()
        self.services.stop()
        self.log_file.close()


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code == 200
    except requests.RequestException:
        return False
