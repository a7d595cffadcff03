"""The demo world, and the tour in docs/tour.md: each command prints the output that the page shows."""

import json
import re
import sys
from typing import Any

import pytest

from config.local.demo.clients import wait_for
from tests.support.paths import PROJECT
from tests.support.processes import run_process
from tests.support.product import Product

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("products")]


def tour() -> list[tuple[str, str]]:
    """Return (command, output) of each step."""
    page = (PROJECT / "docs/tour.md").read_text()
    return re.findall(r"```sh\n(.*?)```\n```text\n(.*?)```", page, re.DOTALL)


def shape(value: Any) -> Any:
    """Return the names and types of a value, without parts that differ between runs."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in value.items()}
    return [shape(part) for part in value] if isinstance(value, list) else type(value).__name__


def shapes(output: str) -> list[Any]:
    found, decoder = [], json.JSONDecoder()
    while "{" in output:
        output = output[output.index("{") :]
        value, end = decoder.raw_decode(output)
        found.append((shape(value), value.get("code")))
        output = output[end:]
    return found


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory):
    running = Product(tmp_path_factory.mktemp("tour") / "run").with_database()
    running.start()
    wait_for(lambda: "The demo world is there" in running.output or running.ended, running.output, 180)
    yield running
    running.stop()


def test_the_demo_world_is_loaded_on_the_first_start_and_kept(product: Product):
    listed = product.call("POST", "/admin/withdraw", {})
    assert sorted(row["status"] for row in listed["data"]) == [0, 0, 1, 2, 2, 3, 3, 3, 4]
    assert "there already" in product.run("demo")


def test_the_tour_works_as_it_is_written(product: Product):
    steps = tour()
    assert len(steps) == 11
    typed = "".join(f"{code}\necho '<<>>'\n" for code, _ in steps[:-1]).replace(".venv/bin/python", sys.executable)
    typed = typed.replace("127.0.0.1:8000", f"127.0.0.1:{product.port}").replace(
        "127.0.0.1:8001", f"127.0.0.1:{product.sandbox_port}"
    )
    script = run_process(["bash", "-c", typed], "tour", env=product.env, answers=True, timeout=120, check=True)
    for (code, shown), got in zip(steps[:-1], script.stdout.split("<<>>"), strict=False):
        assert shapes(got) == shapes(shown), f"{code}\n{got}"

    operator = product.operator()
    operator.act("earnings/withdrawal", "approve", operator.rows("earnings/withdrawal", q="13800138000"))
    bill = '"openid": "open-alice", "amount": 100, "state": "SUCCESS"'
    wait_for(lambda: bill in json.dumps(product.sandbox("transfers")), "the transfer", 30)
    wallet = wait_for(
        lambda: product.call("POST", "/admin/withdraw", {"phone": "13800138000", "status": 3})["data"], "paid"
    )
    assert wallet[0]["amount"] == "1.00"
    assert "The ledger is in order" in product.run("check_ledger")
