"""POST /admin/withdraw/export: the back office's list of withdrawals as a file."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.models import AuditEntry, Scope
from earnings.models import Withdrawal
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.entry_points import key_with
from tests.support.workbooks import rows_of, sheet_of

pytestmark = pytest.mark.django_db
PATH = "/admin/withdraw/export"
TITLES = ["提现编号", "手机号", "金额（元）", "申请时间", "打款时间", "状态", "原因"]


@pytest.fixture(autouse=True)
def three(settings) -> list[Withdrawal]:
    """Withdrawals of three users, requested today, yesterday and the day before."""
    settings.ENFORCE_AUTH = True
    rows = []
    for days_ago, yuan in enumerate(("20", "500", "100")):
        user = UserFactory(phone=f"1350013500{days_ago}")
        credit(user, yuan)
        rows.append(requested_withdrawal(user, yuan, days_ago=days_ago))
    return rows


def exported(client: ApiClient | None = None, **filters: Any) -> Any:
    return (client or key_with(Scope.BACKOFFICE_READ)).send("post", PATH, filters)


FILTERS: list[dict[str, Any]] = [
    {},
    {"status": None, "phone": ""},
    {"phone": "13500135001"},
    {"amount_begin": "50", "sort": {"sort_key": "amount", "value": "asc"}},
    {"status": 3},
]


@pytest.mark.parametrize("filters", FILTERS)
def test_the_file_contains_the_rows_of_the_list_in_its_order(filters: dict[str, Any]):
    listed = key_with(Scope.BACKOFFICE_READ).post("/admin/withdraw?page_size=500", filters)["data"]
    titles, *rows = rows_of(exported(**filters))
    assert titles == TITLES
    assert rows == [
        [row["id"], row["phone"], row["amount"], row["create_date"], "", "待审核", ""] for row in listed
    ]


def test_the_content_type_of_the_old_client_is_accepted():
    client = key_with(Scope.BACKOFFICE_READ)
    label = "application/vnd.ms-excel;chartset=utf-8"
    response = client.http.post(PATH, b'{"phone": "13500135002"}', content_type=label, headers=client.headers)
    assert [row[1] for row in rows_of(response)[1:]] == ["13500135002"]


def test_a_reason_is_text_and_no_formula(three):
    Operator(username="root").act("earnings/withdrawal", "reject", three[0], reason="=HYPERLINK(1)")
    sheet = sheet_of(exported(status=2))
    assert 't="inlineStr"><is><t>=HYPERLINK(1)</t></is></c>' in sheet
    assert "<f>" not in sheet


def test_an_export_is_in_the_audit_log():
    rows_of(exported(phone="13500135001", status=0))
    entry = AuditEntry.objects.get(action=AuditEntry.Action.EXPORTED)
    assert (entry.actor.startswith("接口：test-"), entry.via) == (True, f"POST {PATH}")
    assert entry.table_name == Withdrawal._meta.db_table
    assert entry.changes == {"file": [None, "XLSX"], "filter": [None, "phone=13500135001&status=0"]}


@pytest.mark.parametrize(("role", "rows"), [("finance", 3), ("administrator", 3)])
def test_an_operator_with_the_permission_can_export(role: str, rows: int):
    operator = Operator(role, username="wang")
    response = operator.http.post(PATH, {}, content_type="application/json")
    assert len(rows_of(response)[1:]) == rows
    assert AuditEntry.objects.get(action=AuditEntry.Action.EXPORTED).actor == "wang"


@pytest.mark.parametrize("role", ["viewer", "support"])
def test_an_operator_without_the_permission_cannot_export(role: str):
    response = Operator(role).http.post(PATH, {}, content_type="application/json")
    assert response.json()["code"] == 1401
    assert not AuditEntry.objects.filter(action=AuditEntry.Action.EXPORTED).exists()


def test_an_invalid_filter_is_refused_without_an_export():
    answer = exported(amount_begin="x").json()
    assert (answer["code"], "amount_begin" in answer["description"]) == (1403, True)
    assert not AuditEntry.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_rows():
    counts = []
    for filters in ({"status": 1}, {}):
        client = key_with(Scope.BACKOFFICE_READ)
        with CaptureQueriesContext(connection) as queries:
            rows_of(exported(client, **filters))
        counts.append(len(queries))
    assert counts[0] == counts[1]
