"""Whatever is wrong with a parameter, the answer is 1403, names it, and nothing changed."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.calling import (
    answer_to,
    credential_of,
    everything,
    is_for_people,
    refused_naming,
    send,
    told_by,
)
from tests.contract.operations import OPERATIONS
from tests.contract.table import MISTYPED, NOBODY, Call, Operation, Param, as_json
from tests.contract.world import World

pytestmark = pytest.mark.exhaustive

Wrong = Callable[[Param, Any], list[Any]]  # what to put in place of the good value


def _asking(which: Callable[[Param], bool]) -> Any:
    """Every operation with at least one such parameter."""
    rows = [one for one in OPERATIONS if any(which(param) for param in one.of("query", "body"))]
    return pytest.mark.parametrize("operation", [one for one in rows if not one.finish], ids=str)


def _refusals(operation: Operation, world: World, calls: Callable[[Param, Call], list[Call]]) -> list[str]:
    """What is not as it should be when each parameter is made wrong in turn."""
    good, headers = operation.good_call(world), credential_of(operation, world)
    before = everything()
    said = [
        refused_naming(operation, param, bad, headers)
        for param in operation.of("query", "body")
        for bad in calls(param, good)
    ]
    changed = [] if everything() == before else ["something changed"]
    return [one for one in said if one] + changed


@_asking(lambda param: param.required)
def test_a_missing_parameter_is_named(operation: Operation, world: World):
    assert _refusals(operation, world, lambda param, good: [good.without(param)] * param.required) == []


@_asking(lambda param: bool(MISTYPED[(param.is_json, param.kind)]))
def test_a_mistyped_parameter_is_named(operation: Operation, world: World):
    def calls(param: Param, good: Call) -> list[Call]:
        return [good.having(param, wrong) for wrong in MISTYPED[(param.is_json, param.kind)]]

    assert _refusals(operation, world, calls) == []


@_asking(lambda param: param.required and not param.blank)
def test_an_empty_parameter_is_named(operation: Operation, world: World):
    def calls(param: Param, good: Call) -> list[Call]:
        empty = {"list": [[]], "commas": [[], "", ","], "integer": [""], "object": [{}], "any": []}.get(
            param.kind, ["", "   "]
        )
        return [good.having(param, one) for one in empty] if param.required and not param.blank else []

    assert _refusals(operation, world, calls) == []


@_asking(lambda param: param.is_json and not param.null)
def test_a_null_parameter_is_named(operation: Operation, world: World):
    def calls(param: Param, good: Call) -> list[Call]:
        is_wrong = param.is_json and param.required and not param.null
        return [good.having(param, None)] if is_wrong else []

    assert _refusals(operation, world, calls) == []


@_asking(lambda param: bool(param.longest))
def test_a_parameter_that_is_too_long_is_named(operation: Operation, world: World):
    def calls(param: Param, good: Call) -> list[Call]:
        if not param.longest:
            return []
        longer = (
            [str(number) for number in range(param.longest + 1)]
            if param.kind in ("list", "commas")
            else "1" * (param.longest + 1)
        )
        return [good.having(param, longer)]

    assert _refusals(operation, world, calls) == []


@_asking(lambda param: bool(param.enum))
def test_a_value_that_is_not_offered_is_named(operation: Operation, world: World):
    def calls(param: Param, good: Call) -> list[Call]:
        return [good.having(param, wrong) for wrong in (99, -1, "nothing of it")] if param.enum else []

    assert _refusals(operation, world, calls) == []


@_asking(lambda param: param.kind == "text")
def test_text_that_no_database_takes_is_refused(operation: Operation, world: World):
    def calls(param: Param, good: Call) -> list[Call]:
        return [good.having(param, "a\x00b")] if param.kind == "text" else []

    assert _refusals(operation, world, calls) == []


UNKNOWN = (NOBODY, "nobody", "x" * 128, "\ud7ff'\"%", "'; --")
_REFERRING = [(one, param) for one in OPERATIONS for param in one.params if param.refers_to]


def _name(one: Any) -> str:
    return getattr(one, "name", str(one))


@pytest.mark.parametrize(("operation", "param"), _REFERRING, ids=_name)
def test_what_is_not_there_is_not_found(operation: Operation, param: Param, world: World):
    good, headers, before = operation.good_call(world), credential_of(operation, world), everything()
    codes = {name: answer_to(operation, good.having(param, name), headers)["code"] for name in UNKNOWN}
    assert codes == dict.fromkeys(UNKNOWN, param.unknown)
    assert everything() == before


_OWNED = [(one, param) for one, param in _REFERRING if param.theirs]


@pytest.mark.parametrize(("operation", "param"), _OWNED, ids=_name)
def test_somebody_elses_thing_looks_like_one_that_is_not_there(operation: Operation, param: Param, world: World):
    good, headers = operation.good_call(world), credential_of(operation, world)
    theirs = world.theirs(param.refers_to)
    unknown, before = answer_to(operation, good.having(param, NOBODY), headers), everything()
    for name in {str(theirs.pk), getattr(theirs, "code", str(theirs.pk))}:
        assert answer_to(operation, good.having(param, name), headers) == unknown
    assert unknown["code"] == param.unknown
    assert everything() == before


JUNK = [[], "x", 1, None, True, {"": ""}, [[[]]], [{}], {"union_id": "\x00"}, {"balance": "1e999999"}]
NO_JSON = (b"{", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000)
_TAKING = [one for one in OPERATIONS if one.of("body")]
takes_a_body = pytest.mark.parametrize("operation", [one for one in _TAKING if not one.finish], ids=str)


@pytest.mark.parametrize("operation", _TAKING, ids=str)
def test_junk_is_refused_and_breaks_nothing(operation: Operation, world: World):
    good, headers = operation.good_call(world), credential_of(operation, world)
    told = [answer_to(operation, Call(good.path, good.query, junk), headers) for junk in JUNK]
    assert {answer["code"] for answer in told} <= {1200, 1401, 1403}
    assert [answer for answer in told if answer["code"] == 1403 and not is_for_people(answer)] == []


@takes_a_body
def test_what_is_no_json_is_1403(operation: Operation, world: World):
    good, headers = operation.good_call(world), credential_of(operation, world)
    codes = [told_by(operation, send(operation, good, headers, raw=raw))["code"] for raw in NO_JSON]
    assert codes == [1403] * len(NO_JSON)


@takes_a_body
def test_another_content_type_is_1415(operation: Operation, world: World):
    call, headers = operation.good_call(world), credential_of(operation, world)
    response = send(operation, call, headers, raw=b"a=b", content_type="application/x-www-form-urlencoded")
    assert (response.status_code, told_by(operation, response)["code"]) == (415, 1415)


@takes_a_body
def test_more_than_two_mebibytes_are_1413(operation: Operation, world: World):
    call, headers = operation.good_call(world), credential_of(operation, world)
    response = send(operation, call, headers, raw=b'{"a": "' + b"x" * 2_097_152 + b'"}')
    assert (response.status_code, told_by(operation, response)["code"]) == (413, 1413)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_a_wrong_method_is_405(operation: Operation, world: World):
    response = send(operation, operation.good_call(world), {}, method="PATCH")
    assert (response.status_code, response.json()["code"]) == (405, 1405)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_options_names_its_method(operation: Operation, world: World):
    response = send(operation, operation.good_call(world), {}, method="OPTIONS")
    assert (response.status_code, response.content) == (204, b"")
    assert operation.method in response["Allow"].split(", ")


@takes_a_body
def test_a_name_that_is_there_twice_is_1403(operation: Operation, world: World):
    good, headers, before = operation.good_call(world), credential_of(operation, world), everything()
    raw = as_json(good.body | {"surplus": 1})[:-1] + b', "surplus": 2}'
    told = told_by(operation, send(operation, good, headers, raw=raw))
    assert (told["code"], "surplus" in told["description"]) == (1403, True)
    assert everything() == before


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.shape == "envelope"], ids=str)
def test_unknown_parameters_are_ignored(operation: Operation, world: World):
    good = operation.good_call(world)
    odd = Call(good.path, good.query | {"surplus": "1"}, good.body | {"surplus": 1})
    assert answer_to(operation, odd, credential_of(operation, world))["code"] == operation.code
