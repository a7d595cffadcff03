"""schemathesis over /schema: generated calls cause no error, get documented responses, and bad input is refused."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.contract.calling import credential_of, token_of
from tests.contract.objects import Objects
from tests.contract.openapi import bare_path, openapi_schema
from tests.contract.operations import OPERATIONS
from tests.contract.table import Operation

pytestmark = pytest.mark.fuzz

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# The same cases in every run. No shrinking: a failing case is small enough to read.
same_each_time = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@cache
def _schema() -> Any:
    """Return the schema as the server returns it."""
    with _connection_kept():
        return schemathesis.openapi.from_wsgi("/schema", get_wsgi_application())


@cache
def _operations() -> dict[tuple[str, str], Any]:
    """Return schemathesis' operations by method and path without parameter names."""
    found = [one.ok() for one in _schema().get_all_operations()]
    return {(one.method.upper(), bare_path(one.path)): one for one in found}


@contextmanager
def _connection_kept() -> Iterator[None]:
    """Keep the connection, which a server closes between requests: it holds the test's transaction."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def _fits(operation: Operation, case: Any) -> bool:
    """Return whether the generated call is valid by the schema, whatever the generator intended."""
    if operation.path == "/gateway/events" and isinstance(case.body, list):
        return True  # the items of a batch are accepted one by one; the response names the refused items
    return _query_fits(_schema_of(operation), case.query or {}) and _body_fits(_schema_of(operation), case.body)


def _schema_of(operation: Operation) -> Any:
    return openapi_schema()["paths"][_operations()[operation.method, bare_path(operation.path)].path][
        operation.method.lower()
    ]


def _valid(schema: Any, value: Any) -> bool:
    whole = {**schema, "components": openapi_schema()["components"]}
    return jsonschema_rs.validator_for(whole).is_valid(value)


def _body_fits(schema: Any, body: Any) -> bool:
    if "requestBody" not in schema:
        return True
    shape = schema["requestBody"]["content"]["application/json"]["schema"]
    given = {} if body is NOT_SET else body
    if "Filter" in shape.get("$ref", "") and isinstance(given, dict):
        given = {name: value for name, value in given.items() if value not in ("", None)}  # as config.api.reading
    return _valid(shape, given)


def _query_fits(schema: Any, query: Any) -> bool:
    """Convert a value of a query string, which contains text only: digits are a number, an empty text is no value."""
    params = [one for one in schema.get("parameters", ()) if one["in"] == "query"]
    given = {name: value for name, value in query.items() if value not in ("", None)}
    return all(
        _valid(one["schema"], _read(given[one["name"]], one["schema"]))
        if one["name"] in given
        else not one.get("required")
        for one in params
    )


def _read(value: Any, schema: Any) -> Any:
    text = str(value)
    return int(text) if schema.get("type") == "integer" and re.fullmatch("[+-]?[0-9]+", text) else text


def _try(
    operation: Operation, mode: GenerationMode, objects: Objects, headers: Any, *, examples: int = 5
) -> list[Any]:
    """Send the generated calls and check the responses against the schema. Returns their codes."""
    codes = []
    answer = _operations()[operation.method, bare_path(operation.path)]
    names = [parameter.name for parameter in answer.path_parameters]
    known = dict(zip(names, map(str, operation.good_call(objects).path.values()), strict=True))

    @settings(same_each_time, max_examples=examples)
    @given(case=answer.as_strategy(generation_mode=mode, path_parameters=known or None))
    def send(case: Any) -> None:
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS)
        codes.append(
            (
                response.json()["code"] if response.headers.get("content-type") == ["application/json"] else 1200,
                case,
            )
        )

    with _connection_kept():
        send()
    return codes


JSON = [one for one in OPERATIONS if one.shape in ("envelope", "token")]
each = pytest.mark.parametrize("operation", JSON, ids=str)


@each
def test_valid_calls_get_documented_responses(operation: Operation, objects: Objects):
    codes = _try(operation, GenerationMode.POSITIVE, objects, credential_of(operation, objects))
    assert {code for code, _ in codes} <= operation.all_codes


@pytest.mark.parametrize("operation", [one for one in JSON if one.of("query", "body")], ids=str)
def test_invalid_input_is_refused(operation: Operation, objects: Objects):
    codes = _try(operation, GenerationMode.NEGATIVE, objects, credential_of(operation, objects))
    accepted = [case for code, case in codes if code == 1200]
    assert [(case.query, case.body) for case in accepted if not _fits(operation, case)] == []


CLOSED = [one for one in JSON if one.kind not in ("public", "signed")]


@pytest.mark.parametrize("operation", CLOSED, ids=str)
def test_without_the_credential_nothing_is_done(operation: Operation, objects: Objects):
    headers = token_of(objects.mallory) if operation.kind == "service" else {}
    codes = _try(operation, GenerationMode.POSITIVE, objects, headers, examples=2)
    assert {code for code, _ in codes} <= {1401}
