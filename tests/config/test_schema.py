"""The documentation says what the code does."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from config.schema_views import _document
from tests.contract.operations import OPERATIONS, Operation

each = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
_CREDENTIALS = {
    "user": {"accessToken"},
    "service": {"apiKey", "operatorSession"},
    "proof": {"wechatProof", "apiKey"},
}


@pytest.fixture(scope="module")
def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def _documented(schema: Any, operation: Operation) -> Any:
    path = "/" + operation.route.replace("<str:", "{").replace(">", "}")
    return schema["paths"][path][operation.method.lower()]


def test_it_is_valid_openapi_3_1_without_a_warning(tmp_path: Any):
    call_command("spectacular", file=str(tmp_path / "schema.yaml"), validate=True, fail_on_warn=True)
    assert "openapi: 3.1.0" in (tmp_path / "schema.yaml").read_text()


@each
def test_it_names_the_credential_that_the_operation_wants(operation: Operation, schema: Any):
    wanted = set().union(
        *(_CREDENTIALS.get(part, set()) for part in operation.credential.split(":")[0].split("_or_"))
    )
    told = {name for way in _documented(schema, operation).get("security", []) for name in way}
    assert told == wanted


@each
def test_it_shows_the_envelope_with_an_example_of_every_code(operation: Operation, schema: Any):
    content = _documented(schema, operation)["responses"]["200"]["content"]["application/json"]
    codes = content["schema"]["properties"]["code"]["enum"]
    assert operation.code in codes
    assert sorted(content["examples"]) == sorted(str(code) for code in codes)
    keys = list(content["schema"]["properties"])
    assert (
        keys[:2] == ["code", "msg"]
        if operation.shape == "token"
        else keys == ["code", "description", "data", "page_info"]
    )


@each
def test_it_says_that_bad_input_is_1403(operation: Operation, schema: Any):
    codes = _documented(schema, operation)["responses"]["200"]["content"]["application/json"]["schema"][
        "properties"
    ]
    assert not operation.bad or 1403 in codes["code"]["enum"]
    assert not operation.missing or 1404 in codes["code"]["enum"]


def test_it_is_served_to_many_readers_at_once():
    """The generator underneath loads classes lazily and stumbles over itself in two threads."""
    _document.cache_clear()
    with ThreadPoolExecutor(8) as readers:
        answers = list(readers.map(lambda _: Client().get("/schema"), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert {answer.json()["openapi"] for answer in answers} == {"3.1.0"}


def test_the_page_needs_nothing_from_elsewhere():
    page = Client().get("/docs")
    assert page.status_code == 200
    assert "https://" not in page.text.replace("https://www.w3.org", "")
