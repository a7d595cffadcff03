"""The service status, the marquee and the count of visits."""

import pytest
from django.utils import timezone

from config.models import Marquee, PageVisit, Scope, SiteStatus
from config.platform.dates import day_of
from config.tasks import flush_visits
from tests.support.client import ApiClient
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def system() -> ApiClient:
    return key_with(Scope.STATUS_WRITE, Scope.MARQUEE_WRITE)


def status() -> dict:
    return ApiClient().get("/app/status")["data"]


def test_a_new_service_runs_and_shows_no_marquee():
    assert status() == {"status": 1, "upGradeEndTime": ""}
    assert ApiClient().get("/app/marquee")["data"] == {"status": 0, "content": ""}


def test_maintenance_shows_its_end(system, django_capture_on_commit_callbacks):
    answer = {"status": 2, "upGradeEndTime": "12月17日12点"}
    status()
    with django_capture_on_commit_callbacks(execute=True):
        assert system.post("/app/status", answer)["data"] == answer
    assert status() == answer


def test_maintenance_without_an_end_is_refused(system):
    for body in ({"status": 2}, {"status": 2, "upGradeEndTime": ""}):
        answer = system.post("/app/status", body)
        assert answer["code"] == 1403
        assert "upGradeEndTime" in answer["description"]
    assert not SiteStatus.objects.exists()


def test_the_end_is_free_text_that_a_running_service_need_not_have(system):
    assert system.post("/app/status", {"status": 1})["data"] == {"status": 1, "upGradeEndTime": ""}


def test_history_is_kept_with_the_operator(system):
    system.post("/app/status", {"status": 2, "upGradeEndTime": "今晚"})
    system.post("/app/status", {"status": 1})
    assert list(SiteStatus.objects.values_list("status", flat=True)) == [1, 2]
    assert all(row.set_by.startswith("接口：") for row in SiteStatus.objects.all())


def test_the_marquee_is_shown_and_removed(system, django_capture_on_commit_callbacks):
    ApiClient().get("/app/marquee")
    with django_capture_on_commit_callbacks(execute=True):
        assert system.post("/app/marquee", {"status": 1, "content": "升级中"})["data"] == "SUCCESS"
    assert ApiClient().get("/app/marquee")["data"] == {"status": 1, "content": "升级中"}
    with django_capture_on_commit_callbacks(execute=True):
        system.post("/app/marquee", {"status": 0, "content": ""})
    assert ApiClient().get("/app/marquee")["data"] == {"status": 0, "content": ""}


def test_the_documented_example_of_an_empty_line_is_accepted(system):
    assert system.post("/app/marquee", {"status": 1, "content": ""})["data"] == "SUCCESS"
    assert Marquee.objects.get().content == ""


@pytest.mark.parametrize("path", ["/app/status", "/app/marquee"])
def test_cached_values_need_no_query(path: str, django_assert_num_queries):
    ApiClient().get(path)
    with django_assert_num_queries(0):
        ApiClient().get(path)


def test_visits_are_counted_per_day():
    for _ in range(3):
        assert ApiClient().get("/page/access")["code"] == 1200
    flush_visits()
    ApiClient().get("/page/access")
    flush_visits()
    assert list(PageVisit.objects.values_list("day", "visit_count")) == [(day_of(timezone.now()), 4)]
