"""A short soak on real processes, which keeps `make soak` working."""

import os
import sys

import pytest

from tests.support.processes import run_process

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("products")]


def test_a_short_traffic_survives_the_kill_of_each_process():
    env = {**os.environ, "SECONDS": "15", "SEED": "3"}
    env.pop("RUN_DIR", None)
    argv = [sys.executable, "-m", "tests.soak"]
    done = run_process(argv, "soak", env=env, timeout=600)
    assert "PASSED  no breach" in done.stdout, done.stdout[-5000:] + done.stderr[-3000:]
    assert done.returncode == 0
    for fault in ("kill a web worker", "kill gunicorn's master", "kill the worker", "kill the sender", "kill beat"):
        assert f"{fault}: away" in done.stdout
