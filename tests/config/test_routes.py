"""Similar paths lead to different operations."""

import pytest
from django.test import Client
from django.urls import resolve

from tests.factories.people import OperatorFactory
from tests.support.client import ApiClient

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/groups/welcome", "groups/welcome"),
        ("/groups/statistics", "groups/statistics"),
        ("/groups/star", "groups/star"),
        ("/groups/delete", "groups/delete"),
        ("/groups/welcome/welcome", "groups/<str:reference>/welcome"),
        ("/groups/star/robot_name", "groups/<str:reference>/robot_name"),
        ("/user/phone", "user/phone"),
        ("/user/idcard", "user/idcard"),
        ("/user/problem", "user/problem"),
        ("/user/robots", "user/robots"),
        ("/user/apprentice", "user/apprentice"),
        ("/user/15e1c365-5c8d-488f-8238-f7ab4be89391", "user/<str:reference>"),
        ("/user/wx-alice/poster", "user/<str:user_id>/poster"),
        ("/users/block_verify", "users/block_verify"),
        ("/tasks/messages", "tasks/messages"),
        ("/tasks/messages/message", "tasks/<str:task_id>/message"),
        ("/tasks/15e1c365-5c8d-488f-8238-f7ab4be89391", "tasks/<str:task_id>"),
        ("/admin/withdraw", "admin/withdraw"),
        ("/admin/problems", "admin/problems"),
        ("/admin/problem/feedback", "admin/problem/feedback"),
    ],
)
def test_each_path_leads_to_its_own_operation(path: str, route: str):
    assert resolve(path).route == route


@pytest.mark.parametrize("path", ["/admin/problems", "/admin/withdraw", "/admin/problem/feedback"])
def test_the_documented_routes_below_admin_answer_in_json(path: str):
    answer = Client().get(path)
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["code"] in (1200, 1405)


@pytest.mark.parametrize("path", ["/admin/", "/admin/earnings/withdrawal/", "/admin/feedback/problem/"])
def test_the_admin_answers_with_pages_beside_them(path: str):
    client = Client()
    client.force_login(OperatorFactory())
    answer = client.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("path", ["/groups/", "/profit/", "/nowhere"])
def test_unknown_paths_are_1404(path: str):
    answer = ApiClient().http.get(path)
    assert answer.status_code == 404


def test_the_admin_is_found_without_its_slash():
    assert ApiClient().http.get("/admin").status_code in (301, 302)
