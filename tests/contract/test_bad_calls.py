"""A bad parameter is refused with 1403 and its name, and nothing changes."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.calling import (
    answer_to,
    credential_of,
    database_fingerprint,
    envelope_of,
    is_for_people,
    refused_naming,
    send,
)
from tests.contract.objects import Objects
from tests.contract.operations import OPERATIONS
from tests.contract.table import MISTYPED, NOBODY, Call, Operation, Param, as_json

pytestmark = pytest.mark.exhaustive

Wrong = Callable[[Param, Any], list[Any]]  # the bad values for a parameter


def _asking(which: Callable[[Param], bool]) -> Any:
    """Parametrize a test with every operation that has such a parameter."""
    rows = [one for one in OPERATIONS if any(which(param) for param in one.of("query", "body"))]
    return pytest.mark.parametrize("operation", [one for one in rows if not one.finish], ids=str)


def _refusals(operation: Operation, objects: Objects, calls: Callable[[Param, Call], list[Call]]) -> list[str]:
    """Return the problems of the responses when each parameter is bad in turn."""
    good, headers = operation.good_call(objects), credential_of(operation, objects)
    before = database_fingerprint()
    text = [
        refused_naming(operation, param, bad, headers)
        for param in operation.of("query", "body")
        for bad in calls(param, good)
    ]
    changed = [] if database_fingerprint() == before else ["something changed"]
    return [one for one in text if one] + changed


@_asking(lambda param: param.required)
def test_a_missing_parameter_is_named(operation: Operation, objects: Objects):
    assert _refusals(operation, objects, lambda param, good: [good.without(param)] * param.required) == []


@_asking(lambda param: bool(MISTYPED[(param.is_json, param.kind)]))
def test_a_mistyped_parameter_is_named(operation: Operation, objects: Objects):
    def calls(param: Param, good: Call) -> list[Call]:
        return [good.having(param, wrong) for wrong in MISTYPED[(param.is_json, param.kind)]]

    assert _refusals(operation, objects, calls) == []


@_asking(lambda param: param.required and not param.blank)
def test_an_empty_parameter_is_named(operation: Operation, objects: Objects):
    def calls(param: Param, good: Call) -> list[Call]:
        empty = {"list": [[]], "commas": [[], "", ","], "integer": [""], "object": [{}], "any": []}.get(
            param.kind, ["", "   "]
        )
        return [good.having(param, one) for one in empty] if param.required and not param.blank else []

    assert _refusals(operation, objects, calls) == []


@_asking(lambda param: param.is_json and not param.null)
def test_a_null_parameter_is_named(operation: Operation, objects: Objects):
    def calls(param: Param, good: Call) -> list[Call]:
        is_wrong = param.is_json and param.required and not param.null
        return [good.having(param, None)] if is_wrong else []

    assert _refusals(operation, objects, calls) == []


@_asking(lambda param: bool(param.longest))
def test_a_parameter_that_is_too_long_is_named(operation: Operation, objects: Objects):
    def calls(param: Param, good: Call) -> list[Call]:
        if not param.longest:
            return []
        longer = (
            [str(number) for number in range(param.longest + 1)]
            if param.kind in ("list", "commas")
            else "1" * (param.longest + 1)
        )
        return [good.having(param, longer)]

    assert _refusals(operation, objects, calls) == []


@_asking(lambda param: bool(param.enum))
def test_a_value_that_is_not_offered_is_named(operation: Operation, objects: Objects):
    def calls(param: Param, good: Call) -> list[Call]:
        return [good.having(param, wrong) for wrong in (99, -1, "nothing of it")] if param.enum else []

    assert _refusals(operation, objects, calls) == []


@_asking(lambda param: param.kind == "text")
def test_text_that_no_database_takes_is_refused(operation: Operation, objects: Objects):
    def calls(param: Param, good: Call) -> list[Call]:
        return [good.having(param, "a\x00b")] if param.kind == "text" else []

    assert _refusals(operation, objects, calls) == []


UNKNOWN = (NOBODY, "nobody", "x" * 128, "\ud7ff'\"%", "'; --")
_REFERRING = [(one, param) for one in OPERATIONS for param in one.params if param.refers_to]


def _name(one: Any) -> str:
    return getattr(one, "name", str(one))


@pytest.mark.parametrize(("operation", "param"), _REFERRING, ids=_name)
def test_a_missing_object_is_not_found(operation: Operation, param: Param, objects: Objects):
    good, headers, before = operation.good_call(objects), credential_of(operation, objects), database_fingerprint()
    codes = {name: answer_to(operation, good.having(param, name), headers)["code"] for name in UNKNOWN}
    assert codes == dict.fromkeys(UNKNOWN, param.unknown)
    assert database_fingerprint() == before


_OWNED = [(one, param) for one, param in _REFERRING if param.theirs]


@pytest.mark.parametrize(("operation", "param"), _OWNED, ids=_name)
def test_an_object_of_another_user_is_refused_like_a_missing_object(
    operation: Operation, param: Param, objects: Objects
):
    good, headers = operation.good_call(objects), credential_of(operation, objects)
    theirs = objects.theirs(param.refers_to)
    unknown, before = answer_to(operation, good.having(param, NOBODY), headers), database_fingerprint()
    for name in {str(theirs.pk), getattr(theirs, "code", str(theirs.pk))}:
        assert answer_to(operation, good.having(param, name), headers) == unknown
    assert unknown["code"] == param.unknown
    assert database_fingerprint() == before


JUNK = [[], "x", 1, None, True, {"": ""}, [[[]]], [{}], {"union_id": "\x00"}, {"balance": "1e999999"}]
NO_JSON = (b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000)
_TAKING = [one for one in OPERATIONS if one.of("body")]
takes_a_body = pytest.mark.parametrize("operation", [one for one in _TAKING if not one.finish], ids=str)


@pytest.mark.parametrize("operation", _TAKING, ids=str)
def test_junk_is_refused_and_breaks_nothing(operation: Operation, objects: Objects):
    good, headers = operation.good_call(objects), credential_of(operation, objects)
    response = [answer_to(operation, Call(good.path, good.query, junk), headers) for junk in JUNK]
    assert {answer["code"] for answer in response} <= {1200, 1401, 1403}
    assert [answer for answer in response if answer["code"] == 1403 and not is_for_people(answer)] == []


@takes_a_body
def test_malformed_json_is_1403(operation: Operation, objects: Objects):
    good, headers = operation.good_call(objects), credential_of(operation, objects)
    codes = [envelope_of(operation, send(operation, good, headers, raw=raw))["code"] for raw in NO_JSON]
    assert codes == [1403] * len(NO_JSON)


@takes_a_body
def test_another_content_type_is_1415(operation: Operation, objects: Objects):
    call, headers = operation.good_call(objects), credential_of(operation, objects)
    response = send(operation, call, headers, raw=b"a=b", content_type="application/x-www-form-urlencoded")
    assert (response.status_code, envelope_of(operation, response)["code"]) == (415, 1415)


@takes_a_body
def test_more_than_two_mebibytes_are_1413(operation: Operation, objects: Objects):
    call, headers = operation.good_call(objects), credential_of(operation, objects)
    response = send(operation, call, headers, raw=b'{"a": "' + b"x" * 2_097_152 + b'"}')
    assert (response.status_code, envelope_of(operation, response)["code"]) == (413, 1413)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_wrong_method_is_405(operation: Operation, objects: Objects):
    response = send(operation, operation.good_call(objects), {}, method="PATCH")
    assert (response.status_code, response.json()["code"]) == (405, 1405)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_options_names_its_method(operation: Operation, objects: Objects):
    response = send(operation, operation.good_call(objects), {}, method="OPTIONS")
    assert (response.status_code, response.content) == (204, b"")
    assert operation.method in response["Allow"].split(", ")


@takes_a_body
def test_a_name_that_is_there_twice_is_1403(operation: Operation, objects: Objects):
    good, headers, before = operation.good_call(objects), credential_of(operation, objects), database_fingerprint()
    raw = as_json(good.body | {"surplus": 1})[:-1] + b', "surplus": 2}'
    answer = envelope_of(operation, send(operation, good, headers, raw=raw))
    assert (answer["code"], "surplus" in answer["description"]) == (1403, True)
    assert database_fingerprint() == before


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.shape == "envelope"], ids=str)
def test_unknown_parameters_are_ignored(operation: Operation, objects: Objects):
    good = operation.good_call(objects)
    odd = Call(good.path, good.query | {"surplus": "1"}, good.body | {"surplus": 1})
    assert answer_to(operation, odd, credential_of(operation, objects))["code"] == operation.code
