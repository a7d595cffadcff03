"""The back office's list of problems."""

from typing import Any

import pytest

from config.models import Scope
from feedback.models import ProblemCategory
from tests.api import ApiClient
from tests.doors import key_with
from tests.factories.people import RobotFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def reported():
    robot, alice = RobotFactory(), UserFactory(phone="13800138000")
    category = ProblemCategory.objects.get(title="机器人没有反应")
    told = {"problem_catgory": str(category.pk), "robot_id": robot.code, "group_name": "", "description": ""}
    assert ApiClient(alice).post("/user/problem", told)["code"] == 1200
    return robot


def listed(**wanted: Any) -> list[dict[str, Any]]:
    return key_with(Scope.BACKOFFICE_READ).post("/admin/problem/feedback", wanted)["data"]


def test_a_robot_is_named_by_its_code_or_its_id(reported):
    assert len(listed(robot_code=reported.code)) == len(listed(robot_code=str(reported.pk))) == 1
    assert listed(robot_code="another") == []


def test_the_end_of_a_range_includes_the_second_that_the_list_shows(reported):
    shown = listed()[0]["create_date"]
    assert len(listed(commit_date_begin=shown, commit_date_end=shown)) == 1
    assert len(listed(commit_date_end=shown[:10])) == 1
