"""Launches, deliveries and mass messages in the admin: their contents, statuses and reasons."""

from datetime import timedelta

import pytest
from django.utils import timezone

from launches.models import Delivery, Launch
from tests.factories.launches import launched, scheduled
from tests.factories.people import GroupFactory
from tests.support.admin_tables import listed_rows

pytestmark = pytest.mark.django_db
LIST = "launches/delivery/"
PICTURE = {"type": 2, "filePath": "https://example.com/a.png"}
LINK = {"type": 3, "title": "<b>周末</b>", "url": "https://example.com/b"}


def groups_of(page: str) -> list[str]:
    return [row["group"] for row in listed_rows(page)]


def test_deliveries_are_filtered_by_status_also_by_waiting(root):
    launched(GroupFactory(name="甲"), GroupFactory(name="乙", launch_switch=False))
    assert groups_of(root.page(LIST, status="0")) == ["甲"]
    assert groups_of(root.page(LIST, status="3")) == ["乙"]
    Delivery.objects.filter(group__name="甲").update(status=Delivery.Status.SENT, settled_at=timezone.now())
    Launch.objects.update(sent_count=1, status=Launch.Status.FINISHED, finished_at=timezone.now())
    assert groups_of(root.page(LIST, status="0")) == []
    assert groups_of(root.page(LIST, status="1")) == ["甲"]


def test_deliveries_are_filtered_by_reason_and_day(root):
    launched(GroupFactory(name="甲", launch_switch=False), GroupFactory(name="乙"))
    failed = {"status": Delivery.Status.FAILED, "settled_at": timezone.now() - timedelta(days=3)}
    Delivery.objects.filter(group__name="乙").update(reason="gateway: HTTP 502", **failed)
    assert groups_of(root.page(LIST, why="off")) == ["甲"]
    assert groups_of(root.page(LIST, why="gateway")) == ["乙"]
    assert groups_of(root.page(LIST, settled_at_from=f"{timezone.localdate():%F}")) == ["甲"]
    assert listed_rows(root.page(LIST, why="gateway"))[0]["shown_reason"] == "网关故障（HTTP 502）"


def test_a_wrong_status_lists_nothing(root):
    launched(GroupFactory())
    assert groups_of(root.page(LIST, status="x")) == []


def test_a_launch_shows_its_texts_pictures_and_links(root):
    launch = launched(GroupFactory(), items=[PICTURE, {"type": 1, "content": "大家\n好"}, LINK])
    page = root.page(f"launches/launch/{launch.pk}/change/")
    assert '<span class="text">大家\n好</span>' in page
    assert ">https://example.com/a.png</a>" in page
    assert "&lt;b&gt;周末&lt;/b&gt;" in page
    assert listed_rows(root.page("launches/launch/"))[0]["summary"] == "大家\n好"


def test_a_mass_message_shows_its_messages(root):
    group = GroupFactory()
    message = scheduled(group.user, group, text="周末见")
    page = root.page(f"launches/massmessage/{message.pk}/change/")
    assert "周末见" in page
    assert "图片" in page
    assert "[图片]" in listed_rows(root.page("launches/massmessage/"))[0]["summary"]
