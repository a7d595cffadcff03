"""Members, owner and size of a group, as the gateway reports them."""

import pytest

from accounts.models import User
from groups.models import Member
from integrations.models import GatewayEvent
from tests.factories.people import GroupFactory, RobotFactory, days_ago
from tests.support.entry_points import gateway_sends

pytestmark = pytest.mark.django_db


def member(code: str, **fields):
    return {"group_id": "g1", "user_id": code, "nickname": code.title(), "avatar": "", "is_admin": False, **fields}


def test_members_join_change_and_leave_as_the_gateway_reports():
    group = GroupFactory(code="g1", bound_at=days_ago(1))
    gateway_sends(("group_members", [member("ann"), member("bob"), member("cid", is_admin=True)]))
    gateway_sends(("group_members", [member("ann", nickname="安"), member("dan")]))
    present = Member.objects.filter(left_at=None).order_by("code")
    assert [(member.code, member.nickname) for member in present] == [("ann", "安"), ("dan", "Dan")]
    group.refresh_from_db()
    assert group.member_count == 2


INVALID = [
    ({"avatar": "x" * 1025}, ("Ann", "")),
    ({"nickname": ["x"]}, ("", "")),
    ({"nickname": {"a": 1}, "avatar": 5.5}, ("", "5.5")),
    ({"nickname": "长" * 129}, ("长" * 128, "")),
]


@pytest.mark.parametrize(("fields", "stored"), INVALID)
def test_invalid_fields_of_one_member_are_cut_or_left_out_and_the_list_counts(fields, stored):
    GroupFactory(code="g1", bound_at=days_ago(1))
    gateway_sends(("group_members", [member("ann", **fields), member("bob", avatar="http://e.com/b")]))
    shown = Member.objects.order_by("code").values_list("code", "nickname", "avatar_url")
    assert shown[1] == ("bob", "Bob", "http://e.com/b")
    assert shown[0] == ("ann", *stored)


NOBODY = [None, "x", {}, member(""), member("x" * 129), {"user_id": "ann"}, member("ann", group_id=["g1"])]


@pytest.mark.parametrize("row", NOBODY)
def test_a_row_that_names_no_member_is_skipped(row):
    group = GroupFactory(code="g1", bound_at=days_ago(1))
    gateway_sends(("group_members", [row, member("bob")]))
    assert list(Member.objects.values_list("code", flat=True)) == ["bob"]
    group.refresh_from_db()
    assert group.member_count == 1
    assert GatewayEvent.objects.get().ordering_key == "g:g1"


def test_a_user_with_an_invalid_picture_can_add_a_robot(robot):
    body = {"robot_id": "r1", "user_id": "wx-new", "nickname": ["x"], "avatar": "x" * 1025}
    gateway_sends(("robot_added", body))
    assert User.objects.values_list("nickname", "avatar_url").get(code="wx-new") == ("", "")


def test_a_robot_whose_code_is_a_number_is_found_in_the_info():
    group = GroupFactory(code="g1", robot=RobotFactory(code="77"))
    gateway_sends(("group_info", {"id": "g1", "robots": [{"robot_id": 77, "robot_in_group": False}]}))
    group.refresh_from_db()
    assert not group.robot_is_in


def test_members_are_written_in_a_fixed_number_of_statements(django_assert_max_num_queries):
    GroupFactory(code="g1", bound_at=days_ago(1))
    with django_assert_max_num_queries(40):
        gateway_sends(("group_members", [member(f"m{n}") for n in range(300)]))


def test_info_names_the_group_its_owner_and_its_size():
    group = GroupFactory(code="g1", robot=RobotFactory(code="r1"))
    robots = [{"robot_id": "r1", "robot_in_group": False}]
    info = {"id": "g1", "name": "新名字", "admin_user_id": "wx-alice", "mem_count": 321, "robots": robots}
    gateway_sends(("group_info", info))
    group.refresh_from_db()
    assert (group.name, group.wechat_owner_code, group.member_count, group.robot_is_in) == (
        "新名字",
        "wx-alice",
        321,
        False,
    )
