"""Pages of every list: where they begin, how large they are, and what is no page."""

import pytest

from tests.contract.calling import answer_to, credential_of, is_for_people, token_of, told_by
from tests.contract.calling import send as send_call
from tests.contract.operations import OPERATIONS
from tests.contract.table import Operation
from tests.contract.world import World

PAGED = [one for one in OPERATIONS if one.paged]
paged = pytest.mark.parametrize("operation", PAGED, ids=str)


def _asked(operation: Operation, world: World, **query: str) -> dict:
    call = operation.good_call(world)
    call.query.update(query)
    return answer_to(operation, call, credential_of(operation, world))


@paged
def test_pages_count_from_0_and_hold_20(operation: Operation, world: World):
    info = _asked(operation, world)["page_info"]
    assert list(info) == ["current_page", "page_size", "total_page", "total_records"]
    assert (info["current_page"], info["page_size"]) == (0, 20)


@paged
def test_blank_means_the_default(operation: Operation, world: World):
    assert _asked(operation, world, current_page="", page_size="") == _asked(operation, world)


@paged
def test_a_page_holds_1_to_200_and_to_500_in_the_back_office(operation: Operation, world: World):
    ends = (1, operation.largest_page)
    sizes = [_asked(operation, world, page_size=str(size))["page_info"]["page_size"] for size in ends]
    assert sizes == [1, 500 if operation.path.startswith("/admin/") else 200]


@paged
def test_a_page_past_the_end_is_empty(operation: Operation, world: World):
    told, first = _asked(operation, world, current_page="1000000"), _asked(operation, world)
    assert (told["code"], told["data"]) == (1200, [])
    assert told["page_info"] == first["page_info"] | {"current_page": 1000000}


NO_PAGES = [("page_size", wrong) for wrong in ("0", "-2", "x", "1.5", "1e2", "٢", "9" * 30)]
NO_PAGES += [("current_page", wrong) for wrong in ("-1", "x", "0.5", "9" * 30)]


@paged
def test_what_is_no_page_is_named(operation: Operation, world: World):
    too_large = ("page_size", str(operation.largest_page + 1))
    told = [(name, _asked(operation, world, **{name: value})) for name, value in (*NO_PAGES, too_large)]
    assert [name for name, answer in told if answer["code"] != 1403 or not is_for_people(answer, name)] == []


@pytest.mark.parametrize("operation", [one for one in PAGED if one.kind == "user"], ids=str)
def test_an_empty_list_has_no_page(operation: Operation, world: World):
    response = send_call(operation, operation.good_call(world), token_of(world.mallory))
    told = told_by(operation, response)
    assert told["data"] == []
    assert told["page_info"] == {"current_page": 0, "page_size": 20, "total_page": 0, "total_records": 0}


@pytest.mark.parametrize("operation", [one for one in PAGED if not one.may_ask_all], ids=str)
def test_everything_at_once_is_not_for_every_list(operation: Operation, world: World):
    assert _asked(operation, world, page_size="-1")["code"] == 1403


@pytest.mark.parametrize("operation", [one for one in PAGED if one.may_ask_all], ids=str)
def test_minus_1_asks_for_everything(operation: Operation, world: World):
    info = _asked(operation, world, page_size="-1")["page_info"]
    assert info == {"current_page": 0, "page_size": 1, "total_page": 1, "total_records": 1}
