"""A process that gets further stop signals while it handles the first one still stops."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from config.local.processes import free_port
from tests.support.processes import start_process
from tests.support.product import wait_for
from tests.support.senders import SenderProcesses
from tests.support.signals import SECONDS, burst, ends

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
WAITS_TO_BE_STOPPED = """
import signal
from config.platform.stopping import StopRequest
stop = StopRequest().install(signal.SIGTERM, signal.SIGINT)
print("ready", flush=True)
while not stop.wait(60):
    pass
"""

WAITS_FOR_RESULTS = """
import django, signal
django.setup()
from config.platform.stopping import StopRequest
from integrations.gateway.pool import GatewayPool
with GatewayPool("http://127.0.0.1:1", "", 1.0, 1) as pool:
    stop = StopRequest(pool.interrupt).install(signal.SIGTERM)
    print("ready", flush=True)
    while stop.count < 1000:
        pool.results(seconds=0.001)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_request_survives_bursts_of_signals(number: signal.Signals):
    for _ in range(10):
        argv = [sys.executable, "-c", WAITS_TO_BE_STOPPED]
        with start_process(argv, "waiting", env=os.environ, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            burst(process.pid, number)
            assert process.wait(SECONDS) in (0, -number)  # a late signal may meet an interpreter that is ending


def test_no_signal_makes_the_wait_for_results_endless():
    argv = [sys.executable, "-c", WAITS_FOR_RESULTS]
    with start_process(argv, "results", env=os.environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 3 * SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            burst(process.pid)
        process.kill()
        assert process.wait() in (0, -signal.SIGTERM)  # a late signal may meet an interpreter that is ending


def test_senders_end_after_bursts_of_signals(tmp_path: Path, sandbox: Any):
    world = SenderProcesses(tmp_path, sandbox.url)
    try:
        for _ in range(10):
            sender = world.start_sender()
            world.run("write", [1, 1])
            wait_for(
                lambda: set(world.states()) == {1}, 20, world.states
            )  # the sender has sent a message, so it is running
            burst(sender)
            world.senders.remove(sender)
            ends(lambda pid=sender: Path(f"/proc/{pid}").exists())
    finally:
        world.close()


def test_the_sandbox_ends_after_a_burst_of_signals(tmp_path: Path):
    port = str(free_port())
    env = os.environ | {"RUN_DIR": str(tmp_path)}
    process = start_process(
        [sys.executable, "manage.py", "sandbox", "--port", port],
        "sandbox",
        env=env,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert port in process.stdout.readline()
        burst(process.pid)
        assert process.wait(SECONDS) == 0
