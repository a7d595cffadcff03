"""Every list of the admin handles hostile values in search, filters and addresses quickly and without errors."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from config.backoffice.filters import parameters_of
from tests.contract.hostile import LONGEST_SECONDS, TEXTS, timed
from tests.support.admin_pages import PAGES, Operator

pytestmark = [pytest.mark.django_db, pytest.mark.exhaustive]
_OF_DJANGO = ("o", "p", "all", "e", "_to_field", "_popup", "id__regex", "pk__in", "id__exact")


def _queries(model_admin: Any) -> Iterator[dict[str, str]]:
    """Yield queries with each value once in each parameter of the list, and queries of Django's own parameters."""
    own = {name for one in model_admin.list_filter for name in parameters_of(one)}
    reached = {name for name, _title in getattr(model_admin, "reached_from", {}).values()}
    names = sorted(own | reached | {"q"})
    for turn in range(len(TEXTS)):
        yield {name: TEXTS[(turn + place) % len(TEXTS)] for place, name in enumerate(names)}
    yield from ({name: "a\x00b"} for name in names)  # alone: a refused parameter may hide the others
    yield from ({name: value} for name in _OF_DJANGO for value in ("a\x00b", "\\"))


@pytest.mark.parametrize("where", PAGES)
def test_no_value_breaks_or_delays_a_list(where: str):
    operator, wrong = Operator(), []
    operator.http.raise_request_exception = False
    for query in _queries(PAGES[where]):
        answer, seconds = timed(partial(operator.http.get, f"/admin/{where}/", query))
        if answer.status_code >= 500 or seconds > LONGEST_SECONDS:
            wrong.append((query, answer.status_code, round(seconds, 2)))
    assert wrong == []


@pytest.mark.parametrize("where", PAGES)
def test_no_address_of_a_row_breaks_a_page(where: str):
    operator = Operator()
    operator.http.raise_request_exception = False
    paths = [
        f"/admin/{where}/{value}/change/"
        for value in ("%00", "_5C", "a%0ab", "9" * 30, "-1", "%ED%A0%80", "__", "..%2f")
    ]
    answers = {path: operator.http.get(path).status_code for path in paths}
    assert {path: status for path, status in answers.items() if status >= 500} == {}
