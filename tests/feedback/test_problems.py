"""Reports of problems: the fields of each category, the public list, the back office's list."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from config.models import Scope
from feedback.models import Problem, ProblemCategory
from tests.factories.people import RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import key_with
from tests.support.lists import listed_problems

pytestmark = pytest.mark.django_db
Type = ProblemCategory.Type


@pytest.fixture
def alice() -> User:
    return UserFactory(nickname="alice", phone="13800138000")


def category(kind: int) -> ProblemCategory:
    return ProblemCategory.objects.filter(type=kind).first()


def report(user: User, kind: int, **fields) -> dict:
    return ApiClient(user).post("/user/problem", {"problem_catgory": str(category(kind).pk), **fields})


def test_the_categories_are_public_and_in_order(alice):
    kinds = ApiClient().get("/admin/problems")["data"]
    assert {one["type"] for one in kinds} == {2, 3, 4, 5}
    assert [one["seq_no"] for one in kinds] == sorted(one["seq_no"] for one in kinds)
    assert ApiClient(alice).get("/problems")["data"] == kinds


def test_a_hidden_category_is_neither_shown_nor_accepted(alice):
    hidden = category(Type.NOTHING)
    ProblemCategory.objects.filter(pk=hidden.pk).update(is_shown=False)
    assert str(hidden.pk) not in {one["id"] for one in ApiClient().get("/admin/problems")["data"]}
    assert ApiClient(alice).post("/user/problem", {"problem_catgory": str(hidden.pk)})["code"] == 1404


@pytest.mark.parametrize(
    ("kind", "fields", "missing"),
    [
        (Type.ROBOT, {}, "robot_id"),
        (Type.ROBOT_AND_GROUP, {"robot_id": "r"}, "group_name"),
        (Type.ROBOT_AND_GROUP, {"group_name": "群"}, "robot_id"),
        (Type.DESCRIPTION, {"robot_id": "r"}, "description"),
    ],
)
def test_a_missing_field_of_a_category_is_named(alice, kind, fields, missing):
    RobotFactory(code="r")
    answer = report(alice, kind, **fields)
    assert answer["code"] == 1403
    assert missing in answer["description"]
    assert not Problem.objects.exists()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Type.ROBOT, {"robot_id": "r"}),
        (Type.ROBOT_AND_GROUP, {"robot_id": "r", "group_name": "群"}),
        (Type.NOTHING, {}),
        (Type.DESCRIPTION, {"description": "没有反应", "robot_id": "", "group_name": None}),
    ],
)
def test_a_report_is_stored_under_its_category(alice, kind, fields):
    RobotFactory(code="r")
    answer = report(alice, kind, **fields)
    assert [one["id"] for one in answer["data"]] == [str(category(kind).pk)]
    assert Problem.objects.get().user == alice


def test_a_robot_may_be_named_by_its_id(alice):
    robot = RobotFactory()
    report(alice, Type.ROBOT, robot_id=str(robot.pk))
    assert Problem.objects.get().robot == robot


def test_the_back_office_sees_the_user_the_problem_and_the_robot(alice):
    robot = RobotFactory()
    report(alice, Type.ROBOT_AND_GROUP, robot_id=robot.code, group_name="测试群")
    [row] = listed_problems()
    assert row == {
        "phone": "13800138000",
        "nickname": "alice",
        "title": category(Type.ROBOT_AND_GROUP).title,
        "code": robot.code,
        "name": robot.name,
        "wechat_no": robot.wechat_no,
        "robot_info": f"{robot.name}({robot.wechat_no})",
        "group_name": "测试群",
        "description": None,
        "create_date": row["create_date"],
    }


def test_the_back_office_filters_by_each_field_and_by_all(alice):
    robot = RobotFactory(code="r")
    report(alice, Type.ROBOT_AND_GROUP, robot_id="r", group_name="测试群")
    report(UserFactory(phone="13900139000"), Type.NOTHING)
    kind = str(category(Type.ROBOT_AND_GROUP).pk)
    for wanted in (
        {"phone": "13800138000"},
        {"robot_code": robot.code},
        {"group_name": "测试"},
        {"problem_id": kind},
    ):
        assert [row["nickname"] for row in listed_problems(**wanted)] == ["alice"]
    assert listed_problems(phone="13900139000", problem_id=kind) == []


def test_blank_filters_are_no_filters(alice):
    report(alice, Type.NOTHING)
    blank = dict.fromkeys(("phone", "problem_id", "robot_code", "group_name", "commit_date_begin"), "")
    assert len(listed_problems(**blank)) == 1


def test_a_day_as_an_end_includes_that_day(alice):
    report(alice, Type.NOTHING)
    today = timezone.localdate()
    tomorrow = today + timedelta(days=1)
    assert len(listed_problems(commit_date_begin=str(today), commit_date_end=str(today))) == 1
    assert (
        listed_problems(commit_date_begin=str(tomorrow))
        == listed_problems(commit_date_end=str(today - timedelta(days=1)))
        == []
    )


def test_the_back_offices_list_is_newest_first_in_three_queries(alice, django_assert_max_num_queries):
    for _ in range(5):
        report(alice, Type.ROBOT, robot_id=RobotFactory().code)
    system = key_with(Scope.BACKOFFICE_READ)
    system.post("/admin/problem/feedback", {})
    with django_assert_max_num_queries(3):  # the key, the count, the page
        rows = system.post("/admin/problem/feedback", {})["data"]
    assert [row["create_date"] for row in rows] == sorted((row["create_date"] for row in rows), reverse=True)
