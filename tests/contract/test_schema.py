"""The contract table and /schema agree."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest
from django.urls import URLPattern, get_resolver

from integrations.gateway.subscriptions import _handlers
from tests.contract.openapi import bare_path, openapi_schema
from tests.contract.operations import OPERATIONS
from tests.contract.table import DOCUMENTED, Operation, Param
from tests.contract.types import Shape, Type

each = pytest.mark.parametrize("operation", OPERATIONS, ids=str)
JSON_KINDS = {
    "text": {"string"},
    "integer": {"integer"},
    "boolean": {"boolean"},
    "list": {"array"},
    "commas": {"array", "string"},
    "object": {"object"},
    "money": {"string", "number"},
    "moment": {"string"},
}
PAGES = {"/schema", "/docs", "/admin", "/payouts/{}/confirm"}  # pages for browsers, not operations
CREDENTIALS = {
    "public": [],
    "signed": [],
    "user": [{"accessToken"}],
    "user_with_proof": [{"accessToken", "wechatProof"}],
    "proof": [{"wechatProof"}, {"apiKey"}],
    "own_proof": [{"wechatProof"}],
    "service": [{"apiKey"}, {"operatorSession"}],
    "user_or_service": [{"accessToken"}, {"apiKey"}, {"operatorSession"}],
}


@pytest.fixture(scope="module")
def schema() -> Any:
    return openapi_schema()


def _schema_of(schema: Any, operation: Operation) -> Any:
    return next(
        answer[operation.method.lower()]
        for path, answer in schema["paths"].items()
        if bare_path(path) == bare_path(operation.path) and operation.method.lower() in answer
    )


class Reader:
    """A reader of a schema that follows its references."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema

    def real(self, part: Any) -> Any:
        """Return a part with references and single `allOf` resolved."""
        if "$ref" in part:
            return self.real(self.schema["components"]["schemas"][part["$ref"].rsplit("/", 1)[1]])
        if len(part.get("allOf", ())) == 1:
            return self.real(part["allOf"][0])
        return part

    def choices(self, part: Any) -> list[Any]:
        """Return the alternatives of a part."""
        real = self.real(part)
        several = real.get("oneOf") or real.get("anyOf")
        return [one for way in several for one in self.choices(way)] if several else [real]

    def types(self, part: Any) -> set[str]:
        text = [choice.get("type", "any") for choice in self.choices(part)]
        return {name for one in text for name in ([one] if isinstance(one, str) else one)}

    def values(self, part: Any) -> set[Any]:
        """Return the allowed values of an enumeration."""
        return {value for choice in self.choices(part) for value in _values_of(choice)} - {None}

    def field(self, part: Any, name: str) -> tuple[Any, bool]:
        """Return the part of a dotted name, and whether it is required."""
        required = False
        for step in name.split("."):
            whole = self.choices(part)[0]
            part = whole["items"] if step.isdigit() else whole["properties"][step]
            required = step in whole.get("required", ())
        return part, required


def _values_of(choice: Any) -> set[Any]:
    if "enum" in choice:
        return set(choice["enum"])
    if choice.get("type") == "integer" and {"minimum", "maximum"} <= set(choice):
        return set(range(choice["minimum"], choice["maximum"] + 1))
    return set()


def _longest(choices: list[Any]) -> set[int]:
    return {choice[name] for choice in choices for name in ("maxLength", "maxItems") if name in choice}


def test_every_documented_operation_has_one_row():
    assert sorted(one.number for one in OPERATIONS if one.number) == list(range(1, DOCUMENTED + 1))


def _routes(patterns: Any) -> set[str]:
    found = set()
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            found.add(f"/{pattern.pattern}")
        elif str(pattern.pattern) != "admin/":
            found |= _routes(pattern.url_patterns)
    return found


def test_every_route_has_its_rows():
    routes = {bare_path(route) for route in _routes(get_resolver().url_patterns)}
    assert routes == {bare_path(one.path) for one in OPERATIONS} | PAGES


def test_every_method_of_the_schema_has_its_row(schema: Any):
    answer = {(method.upper(), bare_path(path)) for path, methods in schema["paths"].items() for method in methods}
    assert answer == {(one.method, bare_path(one.path)) for one in OPERATIONS}


@each
def test_it_asks_for_the_same_credential(operation: Operation, schema: Any):
    ways = _schema_of(schema, operation).get("security", [])
    assert [set(way) for way in ways] == CREDENTIALS[operation.kind]
    scopes = {scope for way in ways for scope in way.get("apiKey", [])}
    assert scopes == {operation.scope or "auth:issue"} & scopes | ({operation.scope} if operation.scope else set())


@each
def test_it_refuses_with_the_same_codes(operation: Operation, schema: Any):
    content = _schema_of(schema, operation)["responses"]["200"]["content"]["application/json"]
    assert set(content["schema"]["properties"]["code"]["enum"]) == operation.all_codes


@each
def test_it_shows_an_example_of_every_code(operation: Operation, schema: Any):
    content = _schema_of(schema, operation)["responses"]["200"]["content"]["application/json"]
    assert set(content["examples"]) == {str(code) for code in operation.all_codes}


def _query(schema: Any, operation: Operation) -> dict[str, Any]:
    return {one["name"]: one for one in _schema_of(schema, operation).get("parameters", []) if one["in"] == "query"}


@each
def test_it_takes_the_same_query(operation: Operation, schema: Any):
    reader, answer = Reader(schema), _query(schema, operation)
    named = {name for param in operation.of("query") for name in (param.name, param.alias) if name}
    assert set(answer) == named | ({"current_page", "page_size"} if operation.paged else set())
    wrong = [
        _param_drift(
            reader, param, answer[param.name]["schema"], answer[param.name].get("required", False), operation
        )
        for param in operation.of("query")
    ]
    assert [one for one in wrong if one] == []


def _param_drift(reader: Reader, param: Param, part: Any, required: bool, operation: Operation) -> str:
    """Return how the schema of a parameter differs from the table. A parameter with an alternative may be missing."""
    types = reader.types(part)
    agrees = {
        "required": required == (param.required and not param.alias and not operation.also),
        "type": param.kind == "any" or types - {"null"} == JSON_KINDS[param.kind],
        "null": param.kind == "any" or ("null" in types) == param.null,
        "enum": reader.values(part) == set(param.enum),
        "longest": not param.longest or _longest(reader.choices(part)) <= {param.longest},
    }
    return "; ".join(f"{param.name}: {name} in {part}" for name, fits in agrees.items() if not fits)


@each
def test_it_takes_the_same_body(operation: Operation, schema: Any):
    reader, answer = Reader(schema), _schema_of(schema, operation)
    params = operation.of("body")
    if not params:
        assert "requestBody" not in answer
        return
    whole = answer["requestBody"]["content"]["application/json"]["schema"]
    named = {param.name for param in params if "." not in param.name}
    assert set(reader.choices(whole)[0]["properties"]) == named | set(operation.also)
    wrong = [_param_drift(reader, param, *reader.field(whole, param.name), operation) for param in params]
    assert [one for one in wrong if one] == []
    assert ("array" in reader.types(whole)) == operation.or_list


@each
def test_it_answers_with_the_same_fields(operation: Operation, schema: Any):
    properties = _schema_of(schema, operation)["responses"]["200"]["content"]["application/json"]["schema"][
        "properties"
    ]
    answer = {"properties": properties, "required": list(properties)}
    shape = operation.answer
    if operation.shape == "token":
        assert _shape_drift(Reader(schema), {"code": None, "msg": None, **shape}, answer, "") == []
    elif operation.shape == "envelope":
        assert list(properties) == ["code", "description", "data", "page_info"]
        assert _shape_drift(Reader(schema), shape, properties["data"], "data") == []
        assert ("anyOf" in properties["page_info"]) == operation.paged


def _shape_drift(reader: Reader, shape: Shape | None, part: Any, where: str) -> list[str]:
    """Return how the schema of an answer differs from the table."""
    if shape is None:
        return []
    real = next((one for one in reader.choices(part) if one.get("type") != "null"), {"type": "null"})
    if isinstance(shape, list):
        return _shape_drift(reader, shape[0], real["items"], f"{where}[]")
    if isinstance(shape, Mapping):
        return _object_drift(reader, shape, real, where)
    types = reader.types(part) - (set() if shape.is_nullable else {"null"} if where == "data" else set())
    wanted = set(shape.schema[:1]) | ({"null"} if shape.is_nullable else set())
    return (
        []
        if not shape.schema
        or types == wanted
        or types - {"null"} == wanted == {"object"}
        or (wanted == {"null"} and not types)
        else [f"{where}: {types} is not {wanted}"]
    )


def _object_drift(reader: Reader, shape: Mapping[str, Any], real: Any, where: str) -> list[str]:
    fields = real["properties"]
    wrong = [f"{where}: {name} is in one only" for name in set(fields) ^ set(shape)]
    optional = {name for name, one in shape.items() if isinstance(one, Type) and one.is_optional}
    wrong += [f"{where}: {name} required?" for name in set(real.get("required", ())) ^ (set(shape) - optional)]
    return wrong + [
        one
        for name in set(fields) & set(shape)
        for one in _shape_drift(reader, shape[name], fields[name], f"{where}.{name}")
    ]


def test_the_schema_shows_the_body_of_each_command_of_the_gateway(schema: Any):
    content = schema["paths"]["/gateway/events"]["post"]["requestBody"]["content"]["application/json"]
    bodies = schema["components"]["schemas"]["IncomingEventRequest"]["properties"]["body"]["anyOf"]
    by_title = {body["title"]: body for body in bodies}
    assert set(content["examples"]) == set(_handlers) == set(by_title) - {"其他命令"}
    for command, shown in content["examples"].items():
        assert jsonschema_rs.validator_for(by_title[command]).is_valid(shown["value"]["body"])
