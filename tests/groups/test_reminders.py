"""Reminders to newcomers, and notifications of owners whose robot was banned."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from groups.models import CancelReason, Group
from groups.tasks import remind_newcomers
from integrations.models import GatewayEvent
from integrations.tasks import handle_events
from robots.models import Friendship, OutboxMessage, Robot
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import gateway_operations, gateway_sends, private_messages_to

pytestmark = pytest.mark.django_db


def newcomer(hours: float, code: str = "wx-alice", **fields) -> User:
    user = UserFactory(code=code, completed_at=timezone.now() - timedelta(hours=hours), **fields)
    FriendshipFactory(user=user)
    return user


@pytest.mark.parametrize(("hours", "reminded"), [(23.9, 0), (24.1, 1), (35.9, 1), (36.1, 0)])
def test_a_newcomer_without_a_group_is_reminded_after_a_day(hours, reminded):
    newcomer(hours)
    assert remind_newcomers() == reminded
    assert ["拉进群" in text for text in private_messages_to("wx-alice")] == [True] * reminded


def test_a_newcomer_is_reminded_once():
    newcomer(25)
    assert [remind_newcomers(), remind_newcomers()] == [1, 0]


def test_a_newcomer_with_a_group_and_no_apprentice_is_reminded_of_an_apprentice():
    GroupFactory(user=newcomer(25))
    assert remind_newcomers() == 1
    assert "邀请好友" in private_messages_to("wx-alice")[0]


def test_a_newcomer_with_both_gets_no_reminder():
    alice = newcomer(25)
    GroupFactory(user=alice)
    UserFactory(inviter=alice)
    assert remind_newcomers() == 0


def test_a_blocked_or_unreachable_newcomer_gets_no_reminder():
    newcomer(25, blocked_at=timezone.now())
    UserFactory(completed_at=timezone.now() - timedelta(hours=25))
    assert remind_newcomers() == 0


def test_a_newcomer_without_a_code_does_not_stop_other_reminders():
    newcomer(25, code=None)
    GroupFactory(user=newcomer(25))
    assert remind_newcomers() == 1


def test_many_are_reminded_in_a_fixed_number_of_queries(django_assert_max_num_queries):
    for number in range(12):
        newcomer(25, code=f"u{number}")
    with django_assert_max_num_queries(20):
        assert remind_newcomers() == 12


@pytest.fixture
def banned() -> Robot:
    robot = RobotFactory(code="r1")
    for code in ("g1", "g2"):
        GroupFactory(code=code, name=code, robot=robot, user=_alice())
    gateway_sends(("abnormal_robot", {"robot_id": "r1"}))
    return robot


def _alice() -> User:
    return User.objects.filter(code="wx-alice").first() or UserFactory(code="wx-alice")


def test_a_banned_robot_loses_its_groups_and_is_not_asked_to_leave_them(banned):
    assert set(Group.objects.values_list("cancel_reason", flat=True)) == {CancelReason.ROBOT_BANNED}
    banned.refresh_from_db()
    assert (banned.status, banned.group_count) == (Robot.Status.BANNED, 0)
    assert gateway_operations("g1") == []


def test_owners_are_notified_of_the_new_robot_once(banned):
    FriendshipFactory(user=_alice())
    RobotFactory(code="r2", name="新助手")
    for _ in range(2):
        gateway_sends(("abnormal_robot_replaced", {"replace_robot_id": "r2", "qrcode": "http://e.com/qr.png"}))
    text, picture = private_messages_to("wx-alice")
    assert all(name in text for name in ("新助手", "g1", "g2"))
    assert picture == "http://e.com/qr.png"


def test_groups_that_are_served_again_are_left_out(banned):
    alice, later = _alice(), RobotFactory(code="r2")
    FriendshipFactory(user=alice, robot=later)
    again = GroupFactory(code="g1", name="g1", robot=later, user=alice)
    gateway_sends(("abnormal_robot_replaced", {"replace_robot_id": "r2"}))
    assert [("g1" in text, "g2" in text) for text in private_messages_to("wx-alice")[:1]] == [(False, True)]
    again.delete()
    gateway_sends(("abnormal_robot_replaced", {"replace_robot_id": "r3"}))
    assert not [text for text in private_messages_to("wx-alice") if "g1" in text]


REPLACED = ("abnormal_robot_replaced", {"replace_robot_id": "r2"})


def test_owners_are_notified_of_the_new_robot_after_a_ban_that_failed_at_first():
    FriendshipFactory(user=_alice())
    GroupFactory(code="g1", robot=RobotFactory(code="r1"), user=_alice())
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with pending checks is not altered
        cursor.execute("ALTER TABLE robots_robot ADD CONSTRAINT broken CHECK (status <> 5) NOT VALID")
        gateway_sends(("abnormal_robot", {"robot_id": "r1"}), REPLACED)
        assert private_messages_to("wx-alice") == []
        cursor.execute("ALTER TABLE robots_robot DROP CONSTRAINT broken")
    GatewayEvent.objects.update(next_attempt_at=timezone.now())
    handle_events()
    assert len(private_messages_to("wx-alice")) == 1


def test_a_new_robot_that_no_owner_awaits_is_ignored_with_a_note():
    gateway_sends(REPLACED)
    event = GatewayEvent.objects.get()
    assert (event.status, event.note) == (GatewayEvent.Status.IGNORED, "没有等待通知的群主")


@pytest.mark.parametrize("robot_id", ["r1", "robot-without-groups"])
def test_a_replacement_is_recorded_though_no_owner_awaits_it(banned, robot_id):
    without_groups = RobotFactory(code="robot-without-groups")
    gateway_sends(("abnormal_robot", {"robot_id": without_groups.code}))
    Group.objects.update(replacement_notified_at=timezone.now())
    new = RobotFactory(code="r2")
    gateway_sends(("abnormal_robot_replaced", {"robot_id": robot_id, "replace_robot_id": "r2"}))
    assert [robot.code for robot in new.replaced_robots.all()] == [robot_id]


def test_an_owner_whom_no_robot_reaches_yet_is_notified_later(banned):
    Friendship.objects.all().delete()
    gateway_sends(("abnormal_robot_replaced", {"replace_robot_id": "r2"}))
    assert private_messages_to("wx-alice") == []
    FriendshipFactory(user=_alice())
    gateway_sends(("abnormal_robot_replaced", {"replace_robot_id": "r2"}))
    assert len(private_messages_to("wx-alice")) == 1


def adds(robot: str = "r2", user: str = "wx-alice") -> None:
    gateway_sends(("robot_added", {"robot_id": robot, "user_id": user}))


@pytest.mark.parametrize("replaced_before", [True, False])
def test_an_owner_without_another_robot_is_notified_when_adding_one(banned, replaced_before: bool):
    RobotFactory(code="r2", name="新助手")
    if replaced_before:
        gateway_sends(REPLACED)
    adds()
    [text] = private_messages_to("wx-alice")
    assert all(part in text for part in ("请把我拉进", "g1", "g2"))
    assert OutboxMessage.objects.get(user_code="wx-alice").robot.code == "r2"


def test_an_owner_is_notified_once_however_many_robots_are_added(banned):
    for code in ("r2", "r3"):
        RobotFactory(code=code)
        adds(code)
        adds(code)
    gateway_sends(REPLACED)
    assert len(private_messages_to("wx-alice")) == 1


def test_when_the_added_robot_is_full_another_is_named(banned):
    RobotFactory(code="r2", group_count=30)
    RobotFactory(code="r3", name="三号", qr_code_url="http://e.com/3.png")
    adds()
    text, picture = private_messages_to("wx-alice")
    assert ("三号" in text, picture) == (True, "http://e.com/3.png")


def test_a_user_without_cancelled_groups_is_not_notified_when_adding_a_robot(banned):
    RobotFactory(code="r2")
    UserFactory(code="wx-bob")
    adds(user="wx-bob")
    assert private_messages_to("wx-bob") == []
    GroupFactory(code="g1", user=_alice())
    GroupFactory(code="g2", user=_alice())
    adds()
    assert private_messages_to("wx-alice") == []


def test_a_banned_robot_that_is_added_and_a_blocked_owner_are_skipped(banned):
    adds("r1")
    RobotFactory(code="r2")
    User.objects.filter(code="wx-alice").update(blocked_at=timezone.now())
    adds()
    assert private_messages_to("wx-alice") == []
    User.objects.filter(code="wx-alice").update(blocked_at=None)
    adds()
    assert len(private_messages_to("wx-alice")) == 1


def test_the_event_notes_how_many_owners_were_not_reached(banned):
    FriendshipFactory(user=_alice())
    for number in range(2):
        GroupFactory(
            user=UserFactory(code=f"u{number}"), robot=banned, cancelled_at=timezone.now(), cancel_reason=6
        )
    gateway_sends(REPLACED)
    event = GatewayEvent.objects.latest("id")
    assert event.status == GatewayEvent.Status.HANDLED
    assert event.note == "已通知 1 位群主，2 位没有可用的机器人，等他们添加机器人时再通知"


def test_the_event_notes_when_all_owners_were_reached(banned):
    FriendshipFactory(user=_alice())
    gateway_sends(REPLACED)
    assert GatewayEvent.objects.latest("id").note == "已通知 1 位群主"


def test_a_blocked_apprentice_cannot_be_reminded():
    alice = UserFactory()
    FriendshipFactory(user=UserFactory(code="wx-bob", inviter=alice, blocked_at=timezone.now(), blocked_by="x"))
    client = ApiClient(alice)
    assert client.get("/user/apprentice", leave=1)["data"][0]["is_remind"] == 0
    assert client.post("/apprentice/awakening", {"user_id": "wx-bob"})["code"] == 1404
    assert private_messages_to("wx-bob") == []


@pytest.fixture
def served() -> Group:
    return GroupFactory(code="g1", user=_alice(), robot=RobotFactory(code="r1"))


def test_a_robot_asks_to_be_pulled_back_once_a_day(served):
    client = ApiClient(served.user)
    for _ in range(3):
        assert client.get("/pullback/g1")["data"] == served.robot.qr_code_url
    assert len(private_messages_to("wx-alice")) == 1


def test_a_head_request_sends_no_message(served):
    assert ApiClient(served.user).send("head", "/pullback/g1").status_code == 405
    assert private_messages_to("wx-alice") == []


def test_a_banned_robot_does_not_ask_to_be_pulled_back(served):
    Robot.objects.update(status=Robot.Status.BANNED, banned_at=timezone.now())
    assert ApiClient(served.user).get("/pullback/g1")["code"] == 1404
    assert private_messages_to("wx-alice") == []
