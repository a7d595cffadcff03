"""`manage.py up`: started twice, on a taken port, killed, in unusual folders, stopped."""

import os
import re
import shutil
import signal
import socket
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from config.platform.embedded_mode import read_services
from tests.support.product import Product, pids_of, running_processes, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]


def processes_of(product: Product) -> list[str]:
    return list(running_processes(product).values())


def _end(product: Product) -> None:
    if product.process is not None and not product.ended:
        os.killpg(product.process.pid, signal.SIGKILL)
        product.process.wait()
        wait_for(lambda: not processes_of(product), 15, lambda: processes_of(product))


@pytest.fixture
def newcomer(tmp_path: Path):
    """Return a product in an empty directory whose path is long and has spaces."""
    product = Product(tmp_path / f"with spaces in it {'x' * 130}" / "run dir", "--no-demo")
    yield product
    _end(product)


@pytest.fixture(scope="module")
def started_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of a product that was started and stopped: its copies need no new database."""
    first = (
        Product(tmp_path_factory.mktemp("before") / "run", "--no-demo").with_database().start().wait_until_ready()
    )
    first.stop()
    return first.run_dir


@pytest.fixture
def product(tmp_path: Path, started_before: Path):
    """Return a product in a directory in which it was started before."""
    shutil.copytree(started_before, tmp_path / "run")
    product = Product(tmp_path / "run", "--no-demo")
    yield product
    _end(product)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, started_before: Path):
    """Return a running product for several tests, each of which repairs its damage."""
    run_dir = tmp_path_factory.mktemp("shared") / "run"
    shutil.copytree(started_before, run_dir)
    product = Product(run_dir, "--no-demo").start().wait_until_ready()
    yield product
    product.stop()
    _end(product)


def test_it_starts_prints_the_addresses_and_stops_cleanly(newcomer: Product):
    product = newcomer.start().wait_until_ready()
    assert f"{product.url}/docs" in product.output
    assert re.search(r"Password: +\S{12,}", product.output)
    assert product.call("GET", "/s/x")["code"] == 1404
    assert product.stop() < 20
    assert "stopped" in product.output
    assert product.process is not None
    assert product.process.returncode == 0
    assert processes_of(product) == []
    assert not (product.run_dir / "services.json").exists()


def test_data_survives_a_restart_and_the_password_is_printed_once(product: Product):
    product.start().wait_until_ready()
    scan = {"open_id": "o", "union_id": "u", "sharing_user_id": "", "channel": ""}
    robot = product.call("POST", "/robot/distribution", scan)["data"]
    product.stop()
    product.start().wait_until_ready()
    assert "Password" not in product.output
    assert product.call("POST", "/robot/distribution", scan)["data"] == robot


def test_each_installation_signs_with_a_key_of_its_own(running: Product, started_before: Path):
    key = (running.run_dir / "secret.key").read_text()
    assert key == (started_before / "secret.key").read_text()  # kept from start to start
    assert (running.run_dir / "secret.key").stat().st_mode & 0o777 == 0o600
    assert len(set(key)) > 20
    answer = read_services(running.run_dir)
    assert answer is not None
    assert answer["secret_key"] == key


def test_its_files_are_private(running: Product):
    run_dir = running.run_dir
    running.set_fault("sms", "ok")
    private = {"keys", "log", "postgres", "redis", "sandbox.jsonl", "secret.key", "services.json", "redis.conf"}
    assert {path.name for path in run_dir.iterdir()} >= private
    open_to_others = [
        path.name for path in run_dir.iterdir() if path.name in private and path.stat().st_mode & 0o077
    ]
    assert open_to_others == []


def test_a_second_up_reports_the_running_one(running: Product):
    second = Product(running.run_dir, "--no-demo").start()
    wait_for(lambda: second.ended, 20)
    assert "Already running" in second.output
    assert running.url in second.output
    assert running.call("GET", "/s/x")["code"] == 1404


@pytest.mark.parametrize("name", ["PORT", "SANDBOX_PORT"])
def test_a_taken_port_is_a_clear_message(product: Product, name: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        product.env[name] = str(port)
        product.start()
        wait_for(lambda: product.ended, 20)
    assert f"Port {port} is taken" in product.output
    assert f"{name}=" in product.output
    assert processes_of(product) == []


def test_it_starts_again_after_everything_was_killed_and_ends_with_its_own_process(product: Product):
    product.start().wait_until_ready()
    for pid in pids_of(product, ""):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert product.process is not None
    product.process.wait()
    product.start().wait_until_ready()
    assert product.call("GET", "/s/x")["code"] == 1404
    product.process.kill()  # only `up` itself: nothing of it stays behind
    product.process.wait()
    wait_for(lambda: not processes_of(product), 15, lambda: processes_of(product))


@pytest.mark.parametrize(
    "command",
    [
        "gunicorn",
        "celery --quiet -A config worker",
        "celery --quiet -A config beat",
        "manage.py send",
        "manage.py sandbox",
    ],
)
def test_a_child_that_dies_is_started_again(running: Product, command: str):
    before = pids_of(running, command)
    running.forget_output()
    os.kill(min(before), signal.SIGKILL)
    wait_for(lambda: "starting it again" in running.output, 10)
    wait_for(lambda: set(pids_of(running, command)) - set(before), 10)
    wait_for(lambda: _answers(f"{running.url}/s/x") and _answers(f"{running.sandbox_url}/_/"), 20)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code < 500
    except requests.RequestException:
        return False


@pytest.mark.parametrize("command", ["postgres", "valkey-server"])
def test_a_database_that_dies_is_started_again_with_its_data(running: Product, command: str):
    scan = {"open_id": "o", "union_id": "u", "sharing_user_id": "", "channel": ""}
    robot = running.call("POST", "/robot/distribution", scan)["data"]
    running.forget_output()
    os.kill(min(pids_of(running, f"/bin/{command} " if command == "postgres" else command)), signal.SIGKILL)
    wait_for(lambda: "starting them again" in running.output, 15)
    wait_for(lambda: _answers(f"{running.url}/s/x"), 30)
    wait_for(lambda: running.call("POST", "/robot/distribution", scan).get("data") == robot, 20)


def test_the_demo_world_is_loaded_on_the_first_start_and_kept(product: Product):
    product.arguments = ()
    product.start()
    wait_for(
        lambda: "The demo world is there" in product.output or product.ended, 180, lambda: product.output[-3000:]
    )
    listed = product.call("POST", "/admin/withdraw", {})
    assert sorted(row["status"] for row in listed["data"]) == [0, 0, 1, 2, 2, 3, 3, 3, 4]
    assert "there already" in product.run("demo")
    assert "in order" in product.run("check_ledger")


def test_a_command_without_the_services_names_the_remedy(tmp_path: Path):
    with pytest.raises(AssertionError, match="Start it with 'make run'"):
        Product(tmp_path / "run").run("check_ledger")
