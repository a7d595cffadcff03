"""Exports as CSV and as workbooks, complete and in bounded memory."""

import csv
import io
import tracemalloc
import zipfile
from decimal import Decimal

import pytest

from config.backoffice.export import workbook
from tests.factories.money import withdrawal_of_new_user
from tests.factories.people import UserFactory
from tests.support.admin_pages import Operator, shown_phones

pytestmark = pytest.mark.django_db


def exported(root: Operator, action: str, rows) -> bytes:
    body = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    answer = root.http.post("/admin/earnings/withdrawal/", body)
    return b"".join(answer.streaming_content)


def test_the_list_as_csv(root):
    row = withdrawal_of_new_user(phone="13800000001")
    lines = list(csv.reader(io.StringIO(exported(root, "export", [row]).decode("utf-8-sig"))))
    assert lines[0][:6] == ["申请时间", "状态", "用户", "手机号", "金额（元）", "风险提示"]
    assert [lines[1][1], *lines[1][3:6]] == ["待审核", "13800000001", "20.00", "注册不到 3 天、没有服务中的群"]


def test_all_rows_that_match_the_filters_as_csv(root):
    chosen = withdrawal_of_new_user("50", phone="13800000001")
    withdrawal_of_new_user("50", phone="13800000002")
    withdrawal_of_new_user("20", phone="13800000003")
    body = {"action": "export", "_selected_action": [str(chosen.pk)], "select_across": "1"}
    answer = root.http.post("/admin/earnings/withdrawal/?amount_from=50", body)
    assert shown_phones(b"".join(answer.streaming_content).decode()) == ["13800000001", "13800000002"]


def test_the_list_as_a_workbook(root):
    row = withdrawal_of_new_user(phone="13800000001")
    with zipfile.ZipFile(io.BytesIO(exported(root, "export_xlsx", [row]))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        assert archive.testzip() is None
    assert "<v>20.00</v>" in sheet
    assert "<t>13800000001</t>" in sheet


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "{=1}", "1.50", "https://example.com", "第一\n行"]
)
def test_a_text_stays_text_in_a_workbook(text):
    with zipfile.ZipFile(io.BytesIO(b"".join(workbook([[text]])))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert f'<c r="A1" t="inlineStr"><is><t>{text}</t></is></c>' in sheet


def test_a_workbook_of_30_000_rows_is_never_in_memory():
    rows = ([f"行 {number}", Decimal("1.50"), "=1+1\x00"] for number in range(30_000))
    tracemalloc.start()
    size = sum(len(piece) for piece in workbook(rows))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 300_000
    assert peak < 3_000_000


def test_a_workbook_notes_missing_rows(monkeypatch):
    monkeypatch.setattr("config.backoffice.export.MOST_ROWS", 3)
    with zipfile.ZipFile(io.BytesIO(b"".join(workbook([[f"行{number}"] for number in range(9)])))) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert ("行1" in sheet, "行2" in sheet, "超出了工作表的容量" in sheet) == (True, False, True)


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_nickname_is_no_formula_in_a_csv(root, sign):
    user = UserFactory(nickname=f"{sign}HYPERLINK(1)")
    body = {"action": "export", "_selected_action": [str(user.pk)]}
    answer = b"".join(root.http.post("/admin/accounts/user/", body).streaming_content).decode()
    assert f"'{sign}HYPERLINK(1)" in answer


def test_nothing_is_an_empty_cell(root):
    row = withdrawal_of_new_user(phone="13800000001")
    root.act("earnings/withdrawal", "approve", row)
    lines = list(csv.reader(io.StringIO(exported(root, "export", [row]).decode("utf-8-sig"))))
    assert (lines[0][5], lines[1][5]) == ("风险提示", "")
    assert "-" not in lines[1]
