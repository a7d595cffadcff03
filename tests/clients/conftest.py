"""The running product in both modes."""

from collections.abc import Iterator

import pytest

from tests.clients.phone import Phone
from tests.clients.town import SECRET_KEY, Town, populated
from tests.support.product import Product


@pytest.fixture(scope="package", params=["open", "enforced"])
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
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
        yield populated(product)
    finally:
        product.stop()


@pytest.fixture
def alice(town: Town) -> Phone:
    return town.people["alice"]
