"""Every list of the admin handles hostile values in search, filters and addresses quickly and without errors."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import pytest

from config.backoffice.filters import parameters_of
from tests.contract.hostile import LONGEST_SECONDS, TEXTS, timed
from tests.support.admin_pages import PAGES, Operator

pytestmark = [pytest.mark.django_db, pytest.mark.exhaustive]
_OF_DJANGO = ("o", "p", "all", "e", "_to_field", "_popup", "id__regex", "pk__in", "id__exact")


def _queries(where: str) -> Iterator[dict[str, str]]:
    """Yield queries of a list, in which each parameter has each value of this list once.

    A list has every third value. Its kinds of filters are those of other lists, which have the other values.
    """
    model_admin, values = PAGES[where], TEXTS[list(PAGES).index(where) % 3 :: 3]
    own = {name for one in model_admin.list_filter for name in parameters_of(one)}
    reached = {name for name, _title in getattr(model_admin, "reached_from", {}).values()}
    names = sorted(own | reached | {"q"})
    for turn in range(len(values)):
        yield {name: values[(turn + place) % len(values)] for place, name in enumerate(names)}
    yield from ({name: "a\x00b"} for name in names)  # alone: a refused parameter may hide the others


def _problems(where: str, queries: Iterable[dict[str, str]]) -> list[Any]:
    operator, wrong = Operator(), []
    operator.http.raise_request_exception = False
    for query in queries:
        answer, seconds = timed(partial(operator.http.get, f"/admin/{where}/", query))
        if answer.status_code >= 500 or seconds > LONGEST_SECONDS:
            wrong.append((query, answer.status_code, round(seconds, 2)))
    return wrong


@pytest.mark.parametrize("where", PAGES)
def test_no_value_breaks_or_delays_a_list(where: str):
    assert _problems(where, _queries(where)) == []


@pytest.mark.parametrize("where", ["earnings/withdrawal", "accounts/user", "django_celery_beat/periodictask"])
def test_no_value_breaks_a_parameter_of_django(where: str):
    assert _problems(where, ({name: value} for name in _OF_DJANGO for value in ("a\x00b", "\\"))) == []


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
