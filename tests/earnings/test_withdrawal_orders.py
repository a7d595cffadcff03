"""Every order that the back office asks withdrawals in has an index, in both directions."""

from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.models import Scope
from tests.factories.money import ask, give
from tests.factories.people import UserFactory
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db
ORDERS = list(product(["amount", "create_date", "paid_date"], ["asc", "desc"]))


def plan_of(statement: str) -> str:
    """How PostgreSQL would do it, if it had to do without reading the table whole and without sorting."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(row[0] for row in cursor.fetchall())


@pytest.mark.parametrize(("key", "direction"), ORDERS)
def test_a_list_of_withdrawals_is_never_sorted_when_it_is_read(key: str, direction: str):
    give(alice := UserFactory(phone="13800138000"), "20")
    ask(alice)
    with CaptureQueriesContext(connection) as told:
        key_with(Scope.BACKOFFICE_READ).post("/admin/withdraw", {"sort": {"sort_key": key, "value": direction}})
    [read] = [query["sql"] for query in told if "ORDER BY" in query["sql"] and "withdrawal" in query["sql"]]
    assert "Sort" not in plan_of(read)
