"""The referral tree as users see it, and reminders to apprentices."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from groups.models import CancelReason, Reminder
from robots.models import OutboxMessage, Robot
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import private_messages_to

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return UserFactory(nickname="alice")


@pytest.fixture
def apprentice(alice) -> User:
    """An apprentice of alice whom a robot reaches."""
    return reachable(inviter=alice, nickname="bob")


def reachable(**fields) -> User:
    user = UserFactory(**fields)
    FriendshipFactory(user=user)
    return user


def listed(user: User, leave: int = 1) -> list[dict]:
    return ApiClient(user).get("/user/apprentice", leave=leave)["data"]


def remind(user: User, **body) -> dict:
    return ApiClient(user).post("/apprentice/awakening", body)


def family(inviter: User, apprentices: int, each: int) -> None:
    for _ in range(apprentices):
        apprentice = UserFactory(inviter=inviter)
        UserFactory.create_batch(each, inviter=apprentice)


def test_counts_have_two_generations_and_no_third(alice):
    family(alice, 2, 3)
    UserFactory(inviter=UserFactory(inviter=UserFactory(inviter=UserFactory(inviter=alice))))
    GroupFactory.create_batch(2, user=alice)
    GroupFactory(user=alice, cancelled_at=timezone.now(), cancel_reason=CancelReason.OPERATOR)
    counts = ApiClient(alice).get("/user/groups/disciples")["data"]
    assert counts == {"group_count": 2, "disciples": 3 + 7, "apprentice": 3, "disciple": 7}


def test_the_two_lists_are_the_two_generations(alice, apprentice):
    grand = UserFactory(inviter=apprentice)
    UserFactory(inviter=grand)
    assert [row["user_id"] for row in listed(alice)] == [str(apprentice.pk)]
    assert [row["user_id"] for row in listed(alice, 2)] == [str(grand.pk)]


@pytest.mark.parametrize("name", ["leave", "lelave"])
@pytest.mark.parametrize("level", ["0", "3", "-2", "+3", str(10**30)])
def test_an_unknown_level_lists_nobody(alice, apprentice, name: str, level: str):
    UserFactory(inviter=apprentice)
    answer = ApiClient(alice).get("/user/apprentice", **{name: level})
    assert (answer["code"], answer["data"], answer["page_info"]["total_records"]) == (1200, [], 0)


@pytest.mark.parametrize("query", [{}, {"leave": ""}, {"leave": "x"}, {"lelave": "1.5"}, {"leave": "1e0"}])
def test_a_level_that_is_no_integer_is_refused(alice, query: dict[str, str]):
    answer = ApiClient(alice).get("/user/apprentice", **query)
    assert (answer["code"], "leave" in answer["description"] or "lelave" in answer["description"]) == (1403, True)


def test_the_list_shows_the_progress_of_apprentices(alice, apprentice):
    assert (listed(alice)[0]["is_import"], listed(alice)[0]["is_apprentice"]) == (False, False)
    GroupFactory(user=apprentice)
    UserFactory(inviter=apprentice)
    assert (listed(alice)[0]["is_import"], listed(alice)[0]["is_apprentice"]) == (True, True)


def test_newest_apprentices_come_first(alice):
    older, newer = UserFactory(inviter=alice), UserFactory(inviter=alice)
    User.objects.filter(pk=older.pk).update(created_at=timezone.now() - timedelta(days=1))
    assert [row["user_id"] for row in listed(alice)] == [str(newer.pk), str(older.pk)]


@pytest.mark.parametrize("path", ["/user/groups/disciples", "/user/apprentice?leave=1", "/user/apprentice?leave=2"])
def test_a_tree_of_any_size_takes_the_same_few_queries(alice, path: str, django_assert_num_queries):
    family(alice, 12, 3)
    client = ApiClient(alice)
    with django_assert_num_queries(4 if "disciples" in path else 1):
        client.get(path)


def test_apprentices_who_may_be_reminded_are_marked(alice, apprentice):
    assert listed(alice)[0]["is_remind"] == 1
    remind(alice, user_id=str(apprentice.pk))
    assert listed(alice)[0]["is_remind"] == 0


def test_an_apprentice_who_lacks_nothing_or_has_no_robot_is_not_marked(alice, apprentice):
    GroupFactory(user=apprentice)
    UserFactory(inviter=apprentice)
    UserFactory(inviter=alice)
    assert {row["is_remind"] for row in listed(alice)} == {0}


@pytest.mark.parametrize("by", ["pk", "code"])
def test_an_apprentice_without_a_group_is_asked_for_a_group(alice, apprentice, by: str):
    assert remind(alice, user_id=str(getattr(apprentice, by)))["code"] == 1200
    [text] = private_messages_to(apprentice.code)
    assert "拉进群" in text


def test_an_apprentice_with_a_group_is_asked_for_an_apprentice_whatever_the_client_sends(alice, apprentice):
    GroupFactory(user=apprentice)
    remind(alice, user_id=str(apprentice.pk), is_import=True, is_apprentice=False)
    [text] = private_messages_to(apprentice.code)
    assert "邀请好友" in text


def test_an_apprentice_who_lacks_nothing_gets_no_reminder(alice, apprentice):
    GroupFactory(user=apprentice)
    UserFactory(inviter=apprentice)
    answer = remind(alice, user_id=str(apprentice.pk))
    assert (answer["code"], answer["description"] != "") == (1200, True)
    assert private_messages_to(apprentice.code) == []


def test_a_second_reminder_on_one_day_is_answered_but_not_sent(alice, apprentice):
    assert remind(alice, user_id=str(apprentice.pk))["description"] == ""
    again = remind(alice, user_id=str(apprentice.pk))
    assert (again["code"], again["description"] != "") == (1200, True)
    assert len(private_messages_to(apprentice.code)) == 1


def test_an_apprentice_may_be_reminded_again_the_next_day(alice, apprentice):
    remind(alice, user_id=str(apprentice.pk))
    Reminder.objects.update(day=timezone.localdate() - timedelta(days=1))
    remind(alice, user_id=str(apprentice.pk))
    assert len(private_messages_to(apprentice.code)) == 2


def test_somebody_elses_apprentice_is_not_found(alice):
    other = reachable(inviter=UserFactory())
    grand = reachable(inviter=reachable(inviter=alice))
    assert [remind(alice, user_id=str(one.pk))["code"] for one in (other, grand)] == [1404, 1404]


def test_an_apprentice_whom_no_robot_can_reach_is_not_found(alice):
    unreachable = UserFactory(inviter=alice)
    FriendshipFactory(user=unreachable, robot=RobotFactory(status=Robot.Status.REMOVED))
    assert remind(alice, user_id=str(unreachable.pk))["code"] == 1404


def test_the_robot_added_last_sends_the_reminder(alice, apprentice):
    last = FriendshipFactory(user=apprentice).robot
    remind(alice, user_id=str(apprentice.pk))
    assert OutboxMessage.objects.get().robot == last


def test_all_apprentices_without_a_group_are_reminded_of_a_group(alice, apprentice):
    other = reachable(inviter=alice)
    GroupFactory(user=other)
    assert remind(alice, is_import=True, is_apprentice=False)["code"] == 1200
    assert (len(private_messages_to(apprentice.code)), len(private_messages_to(other.code))) == (1, 0)


def test_all_apprentices_without_an_apprentice_are_reminded_of_one(alice, apprentice):
    other = reachable(inviter=alice)
    UserFactory(inviter=other)
    assert remind(alice, is_import=False, is_apprentice=True)["code"] == 1200
    assert "邀请好友" in private_messages_to(apprentice.code)[0]
    assert private_messages_to(other.code) == []


def test_a_second_reminder_of_all_on_one_day_is_answered_but_not_sent(alice, apprentice):
    remind(alice, is_import=True, is_apprentice=False)
    assert remind(alice, is_import=True, is_apprentice=False)["description"] != ""
    assert len(private_messages_to(apprentice.code)) == 1


def test_nobody_to_remind_is_1404(alice):
    assert remind(alice, is_import=True, is_apprentice=True)["code"] == 1404


def test_reminding_of_neither_is_a_bad_parameter(alice, apprentice):
    assert remind(alice, is_import=False, is_apprentice=False)["code"] == 1403


def test_blocked_apprentices_get_no_reminder(alice, apprentice):
    User.objects.filter(pk=apprentice.pk).update(blocked_at=timezone.now())
    assert remind(alice, is_import=True, is_apprentice=False)["code"] == 1404


def test_reminding_many_takes_no_more_queries_than_reminding_one(alice, django_assert_max_num_queries):
    for _ in range(30):
        reachable(inviter=alice)
    client = ApiClient(alice)
    with django_assert_max_num_queries(14):
        client.post("/apprentice/awakening", {"is_import": True, "is_apprentice": False})
    assert OutboxMessage.objects.count() == 30
