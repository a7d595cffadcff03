"""A good call returns the documented response, with each form of its references."""

import io
import re
import zipfile
from dataclasses import replace

import pytest

from config.backoffice.export import XLSX
from tests.contract.calling import answer_to, credential_of, envelope_of, send
from tests.contract.objects import LONG_URL, Objects
from tests.contract.operations import OPERATIONS
from tests.contract.table import Operation, Param
from tests.contract.types import misfits

JSON = [one for one in OPERATIONS if one.shape in ("envelope", "token")]
REFERRING = [(one, param) for one in JSON for param in one.params if param.refers_to]


@pytest.mark.parametrize("operation", JSON, ids=str)
def test_a_good_call_answers_exactly_the_documented_fields(operation: Operation, objects: Objects):
    response = send(operation, operation.good_call(objects), credential_of(operation, objects))
    answer = envelope_of(operation, response)
    assert answer["code"] == operation.code, answer
    assert misfits(answer["data"], operation.answer) == []
    assert response["Content-Type"] == "application/json"


LISTS = [one for one in JSON if isinstance(one.answer, list) and one.kind != "service"]


@pytest.mark.parametrize("operation", LISTS, ids=str)
def test_a_list_shows_existing_objects(operation: Operation, objects: Objects):
    assert answer_to(operation, operation.good_call(objects), credential_of(operation, objects))["data"]


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.shape == "redirect"], ids=str)
def test_a_short_link_redirects_to_its_address(operation: Operation, objects: Objects):
    response = send(operation, operation.good_call(objects), {})
    assert (response.status_code, response["Location"]) == (302, LONG_URL)


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.shape == "picture"], ids=str)
def test_a_picture_is_a_png(operation: Operation, objects: Objects):
    response = send(operation, operation.good_call(objects), credential_of(operation, objects))
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")
    assert response.content.startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.shape == "workbook"], ids=str)
def test_an_export_is_a_workbook(operation: Operation, objects: Objects):
    response = send(operation, operation.good_call(objects), credential_of(operation, objects))
    assert (response.status_code, response["Content-Type"]) == (200, XLSX)
    assert re.fullmatch(r'attachment; filename="\w+-\d{8}-\d{6}\.xlsx"', response["Content-Disposition"])
    with zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content))) as workbook:
        assert workbook.testzip() is None


@pytest.mark.parametrize(("operation", "param"), REFERRING, ids=lambda one: getattr(one, "name", str(one)))
def test_an_id_and_a_code_name_the_same_thing(operation: Operation, param: Param, objects: Objects):
    call, thing = operation.good_call(objects), getattr(objects, param.refers_to)
    names = {str(getattr(thing, "pk", thing)), str(getattr(thing, "code", "") or getattr(thing, "pk", thing))}
    codes = [
        answer_to(operation, call.having(param, name), credential_of(operation, objects))["code"]
        for name in sorted(names)
    ]
    assert set(codes) <= {operation.code, 2200}


@pytest.mark.parametrize(
    ("operation", "param"), [(one, param) for one in JSON for param in one.params if param.alias], ids=str
)
def test_another_spelling_is_accepted(operation: Operation, param: Param, objects: Objects):
    call, headers = operation.good_call(objects), credential_of(operation, objects)
    renamed = call.without(param).having(replace(param, name=param.alias), call.value_of(param))
    assert answer_to(operation, renamed, headers) == answer_to(operation, call, headers)
