"""The referral tree as users see it, and waking those who brought nothing yet."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from groups.models import Awakening, CancelReason
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
    """Alice's apprentice, whom a robot can reach."""
    return reachable(inviter=alice, nickname="bob")


def reachable(**facts) -> User:
    user = UserFactory(**facts)
    FriendshipFactory(user=user)
    return user


def listed(user: User, leave: int = 1) -> list[dict]:
    return ApiClient(user).get("/user/apprentice", leave=leave)["data"]


def wake(user: User, **body) -> dict:
    return ApiClient(user).post("/apprentice/awakening", body)


def family(master: User, apprentices: int, each: int) -> None:
    for _ in range(apprentices):
        below = UserFactory(inviter=master)
        UserFactory.create_batch(each, inviter=below)


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
    assert [one["user_id"] for one in listed(alice)] == [str(apprentice.pk)]
    assert [one["user_id"] for one in listed(alice, 2)] == [str(grand.pk)]


@pytest.mark.parametrize("name", ["leave", "lelave"])
@pytest.mark.parametrize("level", ["0", "3", "-2", "+3", str(10**30)])
def test_a_level_that_nobody_has_lists_nobody(alice, apprentice, name: str, level: str):
    UserFactory(inviter=apprentice)
    told = ApiClient(alice).get("/user/apprentice", **{name: level})
    assert (told["code"], told["data"], told["page_info"]["total_records"]) == (1200, [], 0)


@pytest.mark.parametrize("query", [{}, {"leave": ""}, {"leave": "x"}, {"lelave": "1.5"}, {"leave": "1e0"}])
def test_a_level_that_is_no_integer_is_refused(alice, query: dict[str, str]):
    told = ApiClient(alice).get("/user/apprentice", **query)
    assert (told["code"], "leave" in told["description"] or "lelave" in told["description"]) == (1403, True)


def test_the_list_says_what_they_did(alice, apprentice):
    assert (listed(alice)[0]["is_import"], listed(alice)[0]["is_apprentice"]) == (False, False)
    GroupFactory(user=apprentice)
    UserFactory(inviter=apprentice)
    assert (listed(alice)[0]["is_import"], listed(alice)[0]["is_apprentice"]) == (True, True)


def test_newest_apprentices_come_first(alice):
    older, newer = UserFactory(inviter=alice), UserFactory(inviter=alice)
    User.objects.filter(pk=older.pk).update(created_at=timezone.now() - timedelta(days=1))
    assert [one["user_id"] for one in listed(alice)] == [str(newer.pk), str(older.pk)]


@pytest.mark.parametrize("path", ["/user/groups/disciples", "/user/apprentice?leave=1", "/user/apprentice?leave=2"])
def test_any_tree_takes_the_same_few_queries(alice, path: str, django_assert_num_queries):
    family(alice, 12, 3)
    client = ApiClient(alice)
    with django_assert_num_queries(4 if "disciples" in path else 3):
        client.get(path)


def test_who_may_be_woken_is_marked(alice, apprentice):
    assert listed(alice)[0]["is_remind"] == 1
    wake(alice, user_id=str(apprentice.pk))
    assert listed(alice)[0]["is_remind"] == 0


def test_who_has_done_both_or_has_no_robot_is_not_marked(alice, apprentice):
    GroupFactory(user=apprentice)
    UserFactory(inviter=apprentice)
    UserFactory(inviter=alice)
    assert {one["is_remind"] for one in listed(alice)} == {0}


@pytest.mark.parametrize("by", ["pk", "code"])
def test_one_without_a_group_is_asked_for_a_group(alice, apprentice, by: str):
    assert wake(alice, user_id=str(getattr(apprentice, by)))["code"] == 1200
    [words] = private_messages_to(apprentice.code)
    assert "拉进群" in words


def test_one_with_a_group_is_asked_for_an_apprentice_whatever_the_client_says(alice, apprentice):
    GroupFactory(user=apprentice)
    wake(alice, user_id=str(apprentice.pk), is_import=True, is_apprentice=False)
    [words] = private_messages_to(apprentice.code)
    assert "邀请好友" in words


def test_one_who_did_both_hears_nothing(alice, apprentice):
    GroupFactory(user=apprentice)
    UserFactory(inviter=apprentice)
    told = wake(alice, user_id=str(apprentice.pk))
    assert (told["code"], told["description"] != "") == (1200, True)
    assert private_messages_to(apprentice.code) == []


def test_waking_again_the_same_day_says_so_and_says_nothing(alice, apprentice):
    assert wake(alice, user_id=str(apprentice.pk))["description"] == ""
    again = wake(alice, user_id=str(apprentice.pk))
    assert (again["code"], again["description"] != "") == (1200, True)
    assert len(private_messages_to(apprentice.code)) == 1


def test_the_next_day_they_may_be_woken_again(alice, apprentice):
    wake(alice, user_id=str(apprentice.pk))
    Awakening.objects.update(day=timezone.localdate() - timedelta(days=1))
    wake(alice, user_id=str(apprentice.pk))
    assert len(private_messages_to(apprentice.code)) == 2


def test_somebody_elses_apprentice_is_not_found(alice):
    other = reachable(inviter=UserFactory())
    grand = reachable(inviter=reachable(inviter=alice))
    assert [wake(alice, user_id=str(one.pk))["code"] for one in (other, grand)] == [1404, 1404]


def test_an_apprentice_whom_no_robot_can_reach_is_not_found(alice):
    unreachable = UserFactory(inviter=alice)
    FriendshipFactory(user=unreachable, robot=RobotFactory(status=Robot.Status.REMOVED))
    assert wake(alice, user_id=str(unreachable.pk))["code"] == 1404


def test_the_robot_befriended_last_speaks(alice, apprentice):
    last = FriendshipFactory(user=apprentice).robot
    wake(alice, user_id=str(apprentice.pk))
    assert OutboxMessage.objects.get().robot == last


def test_all_without_a_group_are_woken_for_a_group(alice, apprentice):
    has_one = reachable(inviter=alice)
    GroupFactory(user=has_one)
    assert wake(alice, is_import=True, is_apprentice=False)["code"] == 1200
    assert (len(private_messages_to(apprentice.code)), len(private_messages_to(has_one.code))) == (1, 0)


def test_all_without_an_apprentice_are_woken_for_one(alice, apprentice):
    has_one = reachable(inviter=alice)
    UserFactory(inviter=has_one)
    assert wake(alice, is_import=False, is_apprentice=True)["code"] == 1200
    assert "邀请好友" in private_messages_to(apprentice.code)[0]
    assert private_messages_to(has_one.code) == []


def test_waking_all_again_the_same_day_says_so(alice, apprentice):
    wake(alice, is_import=True, is_apprentice=False)
    assert wake(alice, is_import=True, is_apprentice=False)["description"] != ""
    assert len(private_messages_to(apprentice.code)) == 1


def test_nobody_to_wake_is_1404(alice):
    assert wake(alice, is_import=True, is_apprentice=True)["code"] == 1404


def test_neither_is_a_bad_parameter(alice, apprentice):
    assert wake(alice, is_import=False, is_apprentice=False)["code"] == 1403


def test_blocked_apprentices_are_left_in_peace(alice, apprentice):
    User.objects.filter(pk=apprentice.pk).update(blocked_at=timezone.now())
    assert wake(alice, is_import=True, is_apprentice=False)["code"] == 1404


def test_waking_many_takes_no_more_queries_than_waking_one(alice, django_assert_max_num_queries):
    for _ in range(30):
        reachable(inviter=alice)
    client = ApiClient(alice)
    with django_assert_max_num_queries(14):
        client.post("/apprentice/awakening", {"is_import": True, "is_apprentice": False})
    assert OutboxMessage.objects.count() == 30
