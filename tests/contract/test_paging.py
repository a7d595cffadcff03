"""The pages of every list: first page, sizes, and invalid pages."""

import pytest

from tests.contract.calling import answer_to, credential_of, envelope_of, is_for_people, token_of
from tests.contract.calling import send as send_call
from tests.contract.objects import Objects
from tests.contract.operations import OPERATIONS
from tests.contract.table import Operation

PAGED = [one for one in OPERATIONS if one.paged]
paged = pytest.mark.parametrize("operation", PAGED, ids=str)


def _asked(operation: Operation, objects: Objects, **query: str) -> dict:
    call = operation.good_call(objects)
    call.query.update(query)
    return answer_to(operation, call, credential_of(operation, objects))


@paged
def test_pages_count_from_0_and_hold_20(operation: Operation, objects: Objects):
    info = _asked(operation, objects)["page_info"]
    assert list(info) == ["current_page", "page_size", "total_page", "total_records"]
    assert (info["current_page"], info["page_size"]) == (0, 20)


@paged
def test_blank_means_the_default(operation: Operation, objects: Objects):
    assert _asked(operation, objects, current_page="", page_size="") == _asked(operation, objects)


@paged
def test_a_page_holds_1_to_200_and_to_500_in_the_back_office(operation: Operation, objects: Objects):
    ends = (1, operation.largest_page)
    sizes = [_asked(operation, objects, page_size=str(size))["page_info"]["page_size"] for size in ends]
    assert sizes == [1, 500 if operation.path.startswith("/admin/") else 200]


@paged
def test_a_page_past_the_end_is_empty(operation: Operation, objects: Objects):
    answer, first = _asked(operation, objects, current_page="1000000"), _asked(operation, objects)
    assert (answer["code"], answer["data"]) == (1200, [])
    assert answer["page_info"] == first["page_info"] | {"current_page": 1000000}


NO_PAGES = [("page_size", wrong) for wrong in ("0", "-2", "x", "1.5", "1e2", "٢", "9" * 30)]
NO_PAGES += [("current_page", wrong) for wrong in ("-1", "x", "0.5", "9" * 30)]


@paged
def test_an_invalid_page_is_refused_with_its_parameter(operation: Operation, objects: Objects):
    too_large = ("page_size", str(operation.largest_page + 1))
    response = [(name, _asked(operation, objects, **{name: value})) for name, value in (*NO_PAGES, too_large)]
    assert [name for name, answer in response if answer["code"] != 1403 or not is_for_people(answer, name)] == []


@pytest.mark.parametrize("operation", [one for one in PAGED if one.kind == "user"], ids=str)
def test_an_empty_list_has_no_page(operation: Operation, objects: Objects):
    response = send_call(operation, operation.good_call(objects), token_of(objects.mallory))
    answer = envelope_of(operation, response)
    assert answer["data"] == []
    assert answer["page_info"] == {"current_page": 0, "page_size": 20, "total_page": 0, "total_records": 0}


@pytest.mark.parametrize("operation", [one for one in PAGED if not one.may_ask_all], ids=str)
def test_everything_at_once_is_not_for_every_list(operation: Operation, objects: Objects):
    assert _asked(operation, objects, page_size="-1")["code"] == 1403


@pytest.mark.parametrize("operation", [one for one in PAGED if one.may_ask_all], ids=str)
def test_minus_1_asks_for_everything(operation: Operation, objects: Objects):
    info = _asked(operation, objects, page_size="-1")["page_info"]
    assert info == {"current_page": 0, "page_size": 1, "total_page": 1, "total_records": 1}
