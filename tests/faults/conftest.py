"""A running product with people and groups, for tests of its availability."""

from collections.abc import Iterator

import pytest

from tests.clients.scenario import GROUP, SECRET_KEY, Scenario, populated_scenario
from tests.support.product import Product


@pytest.fixture(scope="package")
def _scenario(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenario]:
    """Start the product with people and groups. Alice has a keyword in her group."""
    product = Product(
        tmp_path_factory.mktemp("availability"),
        "--no-demo",
        SECRET_KEY=SECRET_KEY,
        WEB_WORKERS="2",
        ROBOT_MESSAGES_PER_MINUTE="0",
        TRUSTED_PROXIES="1",
        THROTTLE_SMS="1000/20",
        THROTTLE_SMS_DAY="1000/86400",
        THROTTLE_WITHDRAW="1000/60",
    )
    product.env["CLIENT_BASE_URL"] = f"{product.url}/grouppet"
    product.with_database().start().wait_until_ready()
    try:
        scenario = populated_scenario(product)
        keyword = {"keywords": ["价格"], "group_codes": [GROUP], "reply_content": "看公告"}
        assert scenario.people["alice"].call("POST", "/keywords", keyword)["code"] == 1200
        yield scenario
    finally:
        product.stop()


@pytest.fixture(scope="module")
def scenario(_scenario: Scenario) -> Scenario:
    """Return the scenario of the package. A module whose tests end its product leaves it to the next to start it again."""
    if _scenario.product.ended:
        _scenario.product.start().wait_until_ready()
    return _scenario
