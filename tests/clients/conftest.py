"""The running product in both modes."""

from collections.abc import Iterator

import pytest

from tests.clients.phone import Phone
from tests.clients.scenario import SECRET_KEY, Scenario, populated_scenario
from tests.support.product import Product


@pytest.fixture(scope="package", params=["open", "enforced"])
def scenario(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    product = Product(
        tmp_path_factory.mktemp("clients"),
        "--no-demo",
        SECRET_KEY=SECRET_KEY,
        ENFORCE_AUTH=str(int(request.param == "enforced")),
        THROTTLE_SMS="9/20",
        ROBOT_MESSAGES_PER_MINUTE="0",
    )
    product.env["CLIENT_BASE_URL"] = f"{product.url}/grouppet"
    product.with_database().start().wait_until_ready()
    try:
        yield populated_scenario(product)
    finally:
        product.stop()


@pytest.fixture
def alice(scenario: Scenario) -> Phone:
    return scenario.people["alice"]
