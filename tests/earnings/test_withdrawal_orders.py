"""Every sort order of the list of withdrawals has an index, in both directions."""

from itertools import product

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.models import Scope
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db
ORDERS = list(product(["amount", "create_date", "paid_date"], ["asc", "desc"]))


def plan_of(statement: str) -> str:
    """Return PostgreSQL's plan of the statement without sequential scans and sorts where possible."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(row[0] for row in cursor.fetchall())


@pytest.mark.parametrize(("key", "direction"), ORDERS)
def test_the_list_of_withdrawals_is_read_by_index(key: str, direction: str):
    credit(alice := UserFactory(phone="13800138000"), "20")
    requested_withdrawal(alice)
    with CaptureQueriesContext(connection) as queries:
        key_with(Scope.BACKOFFICE_READ).post("/admin/withdraw", {"sort": {"sort_key": key, "value": direction}})
    [statement] = [query["sql"] for query in queries if "ORDER BY" in query["sql"] and "withdrawal" in query["sql"]]
    assert "Sort" not in plan_of(statement)
