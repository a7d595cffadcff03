"""Choices of filters, roles and numbers have labels that operators use."""

import pytest
from django.utils import timezone

from groups.models import GroupMessage, Member, Mention
from robots.models import RobotDay, Scan
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.admin_tables import listed_rows

pytestmark = pytest.mark.django_db


def test_roles_are_listed_and_filtered_by_their_titles(root):
    Operator("finance", username="wang")
    Operator("support", username="zhao")
    page = root.page("accounts/operator/", role="finance")
    assert [(row["username"], row["roles"]) for row in listed_rows(page)] == [("wang", "财务")]
    assert [name for name in ("viewer", "administrator") if f">{name}<" in page] == []


def test_mentions_are_unread_or_read(root):
    group, now = GroupFactory(), timezone.now()
    for text, read_at in (("甲", None), ("乙", now)):
        message = GroupMessage.objects.create(group=group, sender_code="m", sent_at=now, content={"content": text})
        Mention.objects.create(message=message, group=group, user=group.user, mentioned_at=now, read_at=read_at)
    shown = {
        value: [row["summary"] for row in listed_rows(root.page("groups/mention/", read=value))] for value in "01"
    }
    assert shown == {"0": ["甲"], "1": ["乙"]}


def test_members_are_in_the_group_or_have_left(root):
    group, now = GroupFactory(), timezone.now()
    Member.objects.create(group=group, code="m-1", nickname="甲", joined_at=now)
    Member.objects.create(group=group, code="m-2", nickname="乙", joined_at=now, left_at=now)
    query = {"q": group.code}
    shown = {
        value: [row["nickname"] for row in listed_rows(root.page("groups/member/", left=value, **query))]
        for value in "01"
    }
    assert shown == {"0": ["甲"], "1": ["乙"]}


def test_a_robot_shows_how_many_groups_it_takes_today(root):
    robot = RobotFactory()
    RobotDay.objects.create(robot=robot, day=timezone.localdate(), quota=15, bound_count=3)
    assert listed_rows(root.page("robots/robot/"))[0]["quota_today"] == "今日还可绑定 12 个群"


def test_a_scan_names_the_user_whom_the_visitor_became(root):
    known, now = UserFactory(nickname="李雷", union_id="union-li"), timezone.now()
    for union_id in ("union-li", "union-new"):
        Scan.objects.create(
            union_id=union_id, open_id="o", robot=RobotFactory(), inviter=known, scanned_at=now, assigned_at=now
        )
    assert {row["visitor"] for row in listed_rows(root.page("robots/scan/"))} == {"李雷", "union-new"}


def test_a_profile_counts_the_apprentices_in_people(root):
    inviter = UserFactory()
    child = UserFactory(inviter=inviter, nickname="徒儿")
    UserFactory(inviter=child)
    assert "徒儿</a>，徒弟 1 人" in root.page(f"accounts/user/{inviter.pk}/change/")


def test_one_row_is_singular_in_english(root):
    root.http.post("/admin/language/", {"language": "en", "next": "/admin/"})
    assert "Add Operator |" in root.page("accounts/operator/add/")
    assert "Operators" in root.page("accounts/operator/")
