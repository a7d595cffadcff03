"""Groups cancelled for a violation are banned; an administrator lifts the ban."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import erasure
from accounts.models import User
from config.models import AuditEntry
from earnings.models import GroupDay
from groups.models import CancelReason, Group
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory
from tests.support.admin_pages import Operator
from tests.support.entry_points import gateway_operations, gateway_sends

pytestmark = pytest.mark.django_db
WHERE = "groups/group"


@pytest.fixture
def administrator() -> Operator:
    return Operator("administrator", username="ann")


def banned_group(**fields: object) -> Group:
    return GroupFactory(cancelled_at=timezone.now(), cancel_reason=CancelReason.ILLEGAL, **fields)


def robot_is_added_to(group_code: str, user: User) -> None:
    robot = RobotFactory()
    FriendshipFactory(user=user, robot=robot)
    body = {"robot_id": robot.code, "group_id": group_code, "user_id": user.code, "group_name": "好群"}
    gateway_sends(("wait_for_bind", body))


def test_a_group_can_be_bound_again_after_its_ban_is_lifted(alice: User, administrator: Operator):
    first, group = banned_group(code="g1", bound_at=timezone.now() - timedelta(days=9)), banned_group(code="g1")
    robot_is_added_to("g1", alice)
    assert gateway_operations("g1") == []
    assert "已解除封禁 1 条" in administrator.act(WHERE, "lift_ban", group, reason="误判")
    robot_is_added_to("g1", alice)
    assert gateway_operations("g1") == ["bind_group"]
    for row in (first, group):
        row.refresh_from_db()
        assert (row.ban_lifted_by, row.ban_lifted_reason) == ("ann", "误判")


def test_a_group_cancelled_for_a_violation_after_the_lifting_is_banned_again(alice: User, administrator: Operator):
    administrator.act(WHERE, "lift_ban", banned_group(code="g1"), reason="误判")
    administrator.act(WHERE, "cancel", GroupFactory(code="g1"), reason=CancelReason.POOR_LAUNCHES)
    robot_is_added_to("g1", alice)
    assert "bind_group" not in gateway_operations("g1")


def test_the_lifting_is_in_the_audit_log_and_on_the_page(administrator: Operator):
    group = banned_group()
    administrator.act(WHERE, "lift_ban", group, reason="误判")
    entry = AuditEntry.objects.get(table_name="groups_group", row_id=str(group.pk))
    assert (entry.actor, entry.changes["ban_lifted_reason"]) == ("ann", ["", "误判"])
    page = administrator.page(f"{WHERE}/{group.pk}/change/")
    assert "已解除封禁" in page
    assert "误判" in page


def test_only_a_banned_group_is_lifted_with_a_reason(administrator: Operator):
    group, other = banned_group(), GroupFactory(cancelled_at=timezone.now(), cancel_reason=CancelReason.OPERATOR)
    assert 'name="reason"' in administrator.act(WHERE, "lift_ban", group, reason=" ")
    assert "没有被封禁" in administrator.act(WHERE, "lift_ban", other, reason="误判")
    assert not Group.objects.filter(ban_lifted_at__isnull=False).exists()


def test_support_sees_a_ban_and_does_not_lift_it(support: Operator):
    group = banned_group()
    page = support.page(f"{WHERE}/{group.pk}/change/")
    assert ("已封禁，不能再绑定" in page, 'value="lift_ban"' in page) == (True, False)
    support.act(WHERE, "lift_ban", group, reason="误判")
    group.refresh_from_db()
    assert group.is_banned


def test_the_list_shows_and_filters_bans(support: Operator):
    banned_group(name="甲群")
    GroupFactory(name="乙群", cancelled_at=timezone.now(), cancel_reason=CancelReason.OPERATOR)
    page = support.page(f"{WHERE}/", served="banned")
    assert ("甲群" in page, "乙群" in page) == (True, False)
    assert "已封禁，不能再绑定" in page


def test_the_confirmation_of_a_cancelling_names_person_members_star_income_and_ban(alice: User, support: Operator):
    User.objects.filter(pk=alice.pk).update(nickname="爱丽丝", phone="13800138000")
    group = GroupFactory(name="<b>甲群", user=alice, member_count=120, star=4)
    for days in (1, 2):
        day = timezone.localdate() - timedelta(days=days)
        GroupDay.objects.create(group=group, day=day, star=4, profit="0.75", bonus="0.1")
    page = support.act(WHERE, "cancel", group, confirmed=False)
    assert "&lt;b&gt;甲群 · 爱丽丝 138****8000 · 120 人 · 4★ · 累计收益 1.70 元" in page
    assert "以后不能再绑定" in page


def test_the_confirmation_of_many_groups_takes_the_queries_of_one(support: Operator):
    groups = [GroupFactory() for _ in range(10)]
    support.act(WHERE, "cancel", groups[0], confirmed=False)
    counts = []
    for chosen in (groups[:1], groups):
        with CaptureQueriesContext(connection) as queries:
            support.act(WHERE, "cancel", *chosen, confirmed=False)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_erasing_the_person_deletes_the_reason(alice: User, administrator: Operator):
    group = banned_group(user=alice)
    administrator.act(WHERE, "lift_ban", group, reason="电话 13800138000")
    erasure.erase(user=alice, by="root", at=timezone.now())
    group.refresh_from_db()
    assert group.ban_lifted_reason == "（已删除）"
    assert "13800138000" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))
