"""Operators see banned robots and their replacements."""

from datetime import timedelta

import pytest
from django.utils import timezone

from robots.models import Robot, RobotDay
from tests.factories.people import GroupFactory, RobotFactory
from tests.support.entry_points import gateway_sends

pytestmark = pytest.mark.django_db
CARD = "<strong>{}</strong><span>被封号、未接替的机器人</span>"
LINK = ">被封号、未接替的机器人</a>"


def banned(name: str) -> Robot:
    robot = RobotFactory(name=name)
    GroupFactory(robot=robot)
    gateway_sends(("abnormal_robot", {"robot_id": robot.code}))
    return robot


def test_the_first_page_counts_banned_robots_and_leads_to_them(support):
    banned("甲")
    RobotFactory(name="乙")
    page = support.page("")
    assert CARD.format(1) in page
    assert '<li class="urgent"><a href="/admin/robots/robot/?ban=open">' in page
    listed = support.page("robots/robot/", ban="open")
    assert (">甲<" in listed, ">乙<" in listed) == (True, False)


def test_a_ban_of_long_ago_is_only_in_the_list(support):
    robot = banned("甲")
    Robot.objects.filter(pk=robot.pk).update(banned_at=timezone.now() - timedelta(days=31))
    assert LINK in support.page("")
    assert ">甲<" in support.page("robots/robot/", status__exact=5)


def test_a_banned_robot_has_no_quota_left(support):
    robot = banned("甲")
    RobotDay.objects.update_or_create(robot=robot, day=timezone.localdate(), defaults={"quota": 15})
    assert '<td class="field-quota_today">-</td>' in support.page("robots/robot/")


def test_both_pages_show_who_replaced_whom(support):
    old, new = banned("甲"), RobotFactory(name="乙")
    gateway_sends(("abnormal_robot_replaced", {"replace_robot_id": new.code, "qrcode": ""}))
    assert f'/admin/robots/robot/{new.pk}/change/">乙</a> (20' in support.page(f"robots/robot/{old.pk}/change/")
    assert f'/admin/robots/robot/{old.pk}/change/">甲</a>' in support.page(f"robots/robot/{new.pk}/change/")
    assert LINK in support.page("")


def test_a_second_replacement_is_of_the_robots_banned_since(support):
    first, new = banned("甲"), RobotFactory()
    gateway_sends(("abnormal_robot_replaced", {"replace_robot_id": new.code, "qrcode": ""}))
    second, newer = banned("丙"), RobotFactory()
    gateway_sends(("abnormal_robot_replaced", {"replace_robot_id": newer.code, "qrcode": ""}))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.replaced_by, second.replaced_by) == (new, newer)
