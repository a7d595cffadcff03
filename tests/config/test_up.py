"""`manage.py up`: started twice, on a taken port, killed, in unusual folders, stopped."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from config.platform.embedded_mode import read_services
from tests.support.processes import log_of
from tests.support.product import Product, pids_of, running_processes, wait_for

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("products")]


SCAN = {"open_id": "o", "union_id": "u", "sharing_user_id": "", "channel": ""}


def processes_of(product: Product) -> list[str]:
    return list(running_processes(product).values())


def robot_of_the_scan(product: Product) -> Any:
    """Return the robot that somebody gets who scans the poster, the same one each time."""
    return product.call("POST", "/robot/distribution", SCAN).get("data")


def _end(product: Product) -> None:
    if product.process is not None and not product.ended:
        os.killpg(product.process.pid, signal.SIGKILL)
        product.process.wait()
        wait_for(lambda: not processes_of(product), 15, lambda: processes_of(product))


@dataclass
class FirstStart:
    """A product that was started in an empty directory and stopped, and what was seen."""

    product: Product
    output: str
    robot: Any
    answer: int
    seconds_to_stop: float
    key: str


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> FirstStart:
    """Start a product in an empty directory whose path is long and has spaces, and stop it."""
    folder = tmp_path_factory.mktemp("up") / f"with spaces in it {'x' * 130}"
    product = Product(folder / "run dir", "--no-demo").start().wait_until_ready()
    robot, answer = robot_of_the_scan(product), product.call("GET", "/s/x")["code"]
    seconds = product.stop()
    return FirstStart(product, product.output, robot, answer, seconds, (product.run_dir / "secret.key").read_text())


@pytest.fixture(scope="module")
def running(first_start: FirstStart) -> Iterator[Product]:
    """Return the product, started for the second time, for several tests, each of which repairs its damage."""
    product = first_start.product.start().wait_until_ready()
    yield product
    _end(product)


@pytest.fixture(scope="module")
def started_again(running: Product) -> Product:
    """Kill every process of the product, and start it for the third time. Its tests are the last ones."""
    for pid in pids_of(running, ""):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert running.process is not None
    running.process.wait()
    return running.start().wait_until_ready()


def test_it_starts_prints_the_addresses_and_stops_cleanly(first_start: FirstStart):
    product = first_start.product
    assert f"{product.url}/docs" in first_start.output
    assert re.search(r"Password: +\S{12,}", first_start.output)
    assert first_start.answer == 1404
    assert first_start.seconds_to_stop < 20
    assert "stopped" in first_start.output
    assert product.process is not None
    assert product.process.returncode == 0
    assert processes_of(product) == []
    assert not (product.run_dir / "services.json").exists()


def test_data_survives_a_restart_and_the_password_is_printed_once(running: Product, first_start: FirstStart):
    assert running.process is not None
    assert "Password" not in log_of(running.process)
    assert first_start.robot is not None
    assert robot_of_the_scan(running) == first_start.robot


def test_each_installation_signs_with_a_key_of_its_own(running: Product, first_start: FirstStart):
    key = (running.run_dir / "secret.key").read_text()
    assert key == first_start.key  # kept from start to start
    assert (running.run_dir / "secret.key").stat().st_mode & 0o777 == 0o600
    assert len(set(key)) > 20
    answer = read_services(running.run_dir)
    assert answer is not None
    assert answer["secret_key"] == key


def test_every_process_of_it_has_a_heartbeat(running: Product, first_start: FirstStart):
    with requests.Session() as browser:
        login = f"{running.url}/admin/login/"
        browser.get(login)
        found = re.search(r"Password: +(\S{12,})", first_start.output)
        assert found is not None
        form = {"username": "admin", "password": found[1], "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        browser.post(login, form, headers={"Referer": login})
        page = lambda: browser.get(f"{running.url}/admin/queues/").text  # noqa: E731
        wait_for(lambda: page().count('<span class="label good">') == 3, 30, page)


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
def test_a_taken_port_is_a_clear_message(tmp_path: Path, name: str):
    product = Product(tmp_path / "run", "--no-demo")
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
    wait_for(lambda: "starting it again" in running.output, 60)
    wait_for(lambda: set(pids_of(running, command)) - set(before), 60)
    wait_for(lambda: _answers(f"{running.url}/s/x") and _answers(f"{running.sandbox_url}/_/"), 60)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code < 500
    except requests.RequestException:
        return False


@pytest.mark.parametrize("command", ["postgres", "valkey-server"])
def test_a_database_that_dies_is_started_again_with_its_data(running: Product, command: str):
    robot = robot_of_the_scan(running)
    running.forget_output()
    os.kill(min(pids_of(running, f"/bin/{command} " if command == "postgres" else command)), signal.SIGKILL)
    wait_for(lambda: "starting them again" in running.output, 15)
    wait_for(lambda: _answers(f"{running.url}/s/x"), 30)
    wait_for(lambda: robot_of_the_scan(running) == robot, 20)


def test_a_command_without_the_services_names_the_remedy(tmp_path: Path):
    with pytest.raises(AssertionError, match="Start it with 'make run'"):
        Product(tmp_path / "run").run("check_ledger")


def test_it_starts_again_after_everything_was_killed(started_again: Product, first_start: FirstStart):
    assert started_again.call("GET", "/s/x")["code"] == 1404
    assert robot_of_the_scan(started_again) == first_start.robot


def test_it_ends_with_its_own_process(started_again: Product):
    assert started_again.process is not None
    started_again.process.kill()  # only `up` itself: nothing of it stays behind
    started_again.process.wait()
    wait_for(lambda: not processes_of(started_again), 15, lambda: processes_of(started_again))
