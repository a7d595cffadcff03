"""Every list of the admin opens with a fixed number of queries, and every row has a page."""

import pytest
from django.contrib.admin.utils import quote
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.support.admin_pages import PAGES, Operator
from tests.support.admin_rows import make_rows

pytestmark = pytest.mark.django_db
MOST_QUERIES = 11  # session, operator, rows, count, and what the filters of a page need


def queries_of(root: Operator, where: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        root.page(where)
    return [query["sql"][:200] for query in queries]


def test_lists_take_the_same_few_queries_however_many_rows_they_show():
    root = Operator()
    make_rows(1)
    few = {where: queries_of(root, f"{where}/") for where in PAGES}
    make_rows(3)
    many = {where: queries_of(root, f"{where}/") for where in PAGES}
    assert [(where, many[where]) for where in PAGES if len(many[where]) != len(few[where])] == []
    assert [(where, many[where]) for where in PAGES if len(many[where]) > MOST_QUERIES] == []


def test_counting_a_list_computes_nothing_for_its_rows():
    root = Operator()
    counts = [sql for where in PAGES for sql in queries_of(root, f"{where}/") if sql.startswith("SELECT COUNT(*)")]
    assert counts
    assert [sql for sql in counts if "SUM(" in sql] == []


def test_every_row_has_a_page():
    make_rows(1)
    root = Operator()
    request = root.http.get("/admin/password_change/").wsgi_request
    rows = {where: page.get_queryset(request).first() for where, page in PAGES.items()}
    missing = [where for where, row in rows.items() if row is None]
    assert missing == []  # tests/support/admin_rows.py makes a row of each
    for where, row in rows.items():
        root.page(f"{where}/{quote(row.pk)}/change/")


def test_an_address_cannot_sort_by_a_column_without_an_index():
    with CaptureQueriesContext(connection) as queries:
        Operator().page("earnings/withdrawal/?o=-9")  # 审核时间
    assert [query["sql"] for query in queries if '"reviewed_at" DESC' in query["sql"]] == []
