"""The back office's list of problems (POST /admin/problem/feedback), and its export (…/feedback/export)."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.models import AuditEntry, Scope
from feedback.models import Problem, ProblemCategory
from tests.factories.people import RobotFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.entry_points import key_with
from tests.support.lists import listed_problems
from tests.support.workbooks import rows_of, sheet_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def reported():
    robot, alice = (
        RobotFactory(name="小助手", wechat_no="wx-helper"),
        UserFactory(phone="13800138000", nickname="爱丽丝"),
    )
    category = ProblemCategory.objects.get(title="机器人没有反应")
    body = {"problem_catgory": str(category.pk), "robot_id": robot.code, "group_name": "", "description": ""}
    assert ApiClient(alice).post("/user/problem", body)["code"] == 1200
    return robot


def test_a_robot_is_named_by_its_code_or_its_id(reported):
    assert len(listed_problems(robot_code=reported.code)) == len(listed_problems(robot_code=str(reported.pk))) == 1
    assert listed_problems(robot_code="another") == []


def test_the_end_of_a_range_includes_the_second_that_the_list_shows(reported):
    shown = listed_problems()[0]["create_date"]
    assert len(listed_problems(commit_date_begin=shown, commit_date_end=shown)) == 1
    assert len(listed_problems(commit_date_end=shown[:10])) == 1


def stored_problem(**fields: Any) -> Problem:
    category = ProblemCategory.objects.get(title="机器人没有反应")
    return Problem.objects.create(
        user=UserFactory(phone=None), category=category, reported_at=timezone.now(), **fields
    )


def test_the_robot_is_shown_by_name_and_wechat_number(reported):
    assert listed_problems()[0]["robot_info"] == "小助手(wx-helper)"


def test_a_robot_without_a_wechat_number_is_shown_by_name_and_no_robot_as_null():
    stored_problem(robot=RobotFactory(name="小助手", wechat_no=""))
    stored_problem()
    assert [one["robot_info"] for one in listed_problems()] == [None, "小助手"]


def test_filters_as_the_old_client_sends_them(reported):
    day = timezone.localtime().strftime("%Y-%m-%d")
    dates = {"commit_date_begin": f"{day} 00:00:00", "commit_date_end": f"{day} 23:59:59"}
    assert len(listed_problems(phone="", problem_id=None, robot_code="", group_name=" ", **dates)) == 1
    assert listed_problems(problem_id=str(ProblemCategory.objects.latest("seq_no").pk)) == []


def test_a_page_holds_500_in_a_fixed_number_of_queries(reported, django_assert_num_queries):
    client = key_with(Scope.BACKOFFICE_READ)
    client.post("/admin/problem/feedback", {})
    for _ in range(5):
        stored_problem(robot=reported)
    with django_assert_num_queries(3):  # key, count, page
        answer = client.post("/admin/problem/feedback?current_page=0&page_size=500", {})
    assert (len(answer["data"]), answer["page_info"]["page_size"]) == (6, 500)


EXPORT = "/admin/problem/feedback/export"


def exported(**filters: Any) -> Any:
    return key_with(Scope.BACKOFFICE_READ).send("post", EXPORT, filters)


@pytest.mark.parametrize(
    "filters", [{}, {"phone": "13800138000"}, {"robot_code": "another"}, {"group_name": "测试"}]
)
def test_the_file_has_the_rows_of_the_list_in_its_order(reported, filters: dict[str, Any]):
    stored_problem(group_name="测试群", description="说明")
    names = ("phone", "nickname", "title", "code", "robot_info", "group_name", "description", "create_date")
    titles, *rows = rows_of(exported(**filters))
    assert titles == [
        "用户手机号",
        "用户昵称",
        "类型",
        "机器人编号",
        "机器人昵称及微信号",
        "群名",
        "备注",
        "提交时间",
    ]
    assert rows == [[one[name] or "" for name in names] for one in listed_problems(**filters)]


def test_an_export_with_the_old_clients_content_type_is_accepted(reported):
    client = key_with(Scope.BACKOFFICE_READ)
    label = "application/vnd.ms-excel;chartset=utf-8"
    response = client.http.post(EXPORT, b"{}", content_type=label, headers=client.headers)
    assert [row[0] for row in rows_of(response)[1:]] == ["13800138000"]


def test_a_users_text_is_no_formula_in_the_file():
    stored_problem(description="=HYPERLINK(1)", group_name="+1")
    sheet = sheet_of(exported())
    assert 't="inlineStr"><is><t>=HYPERLINK(1)</t></is></c>' in sheet
    assert "<f>" not in sheet


def test_an_export_is_in_the_audit_log():
    exported(group_name="测试群")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.table_name, entry.via) == ("E", "feedback_problem", f"POST {EXPORT}")
    assert entry.changes == {"file": [None, "XLSX"], "filter": [None, "group_name=测试群"]}


@pytest.mark.parametrize(("role", "code"), [("support", 1200), ("viewer", 1401), ("finance", 1401)])
def test_only_operators_with_the_permission_export_the_list(role: str, code: int):
    response = Operator(role).http.post(EXPORT, {}, content_type="application/json")
    is_file = response["Content-Type"] != "application/json"
    assert (1200 if is_file else response.json()["code"]) == code


def test_the_queries_of_an_export_do_not_grow_with_the_rows(reported):
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            rows_of(exported())
        counts.append(len(queries))
        stored_problem(robot=RobotFactory())
    assert counts[0] == counts[1]
