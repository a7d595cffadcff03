"""The pages that operators see instead of an error: in their language, with a way back and a reference of the log."""

import re
from typing import Any

import pytest
from django.test import Client

from tests.support.admin_pages import Operator

pytestmark = pytest.mark.django_db


def shown(answer: Any, caplog: pytest.LogCaptureFixture) -> str:
    """Return the title of an error page, which has a way back and a reference that the log has too."""
    page = answer.text
    assert 'href="/admin/"' in page
    [reference] = re.findall(r"(?:编号|Reference) ([0-9a-f]{8})<", page)
    assert any(reference in record.getMessage() for record in caplog.records)
    return str(re.findall("<h1>(.*?)</h1>", page)[0])


def test_a_page_that_is_not_there(root: Operator, caplog: pytest.LogCaptureFixture):
    answer = root.http.get("/admin/no/such/page/")
    assert (answer.status_code, shown(answer, caplog)) == (404, "没有这个页面")


def test_a_page_that_the_role_may_not_open(caplog: pytest.LogCaptureFixture):
    answer = Operator("viewer").http.get("/admin/config/apikey/")
    assert (answer.status_code, shown(answer, caplog)) == (403, "没有权限")


def test_a_form_that_was_opened_before_the_last_sign_in(root: Operator, caplog: pytest.LogCaptureFixture):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(root.user)
    answer = strict.post("/admin/robots/robot/do/sync/")
    assert (answer.status_code, shown(answer, caplog)) == (403, "页面已过期")


@pytest.mark.urls("tests.config.broken_urls")
def test_an_error_of_ours(root: Operator, caplog: pytest.LogCaptureFixture):
    client = Client(raise_request_exception=False)
    client.force_login(root.user)
    answer = client.get("/admin/plain")
    assert (answer.status_code, shown(answer, caplog)) == (500, "系统出错了")


def test_they_are_in_english_too(caplog: pytest.LogCaptureFixture):
    operator = Operator("viewer")
    operator.http.post("/admin/language/", {"language": "en", "next": "/admin/"})
    assert shown(operator.http.get("/admin/no/such/page/"), caplog) == "There is no such page"
