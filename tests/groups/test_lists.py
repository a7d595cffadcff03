"""The user's lists of served groups and of groups owned in WeChat."""

import pytest
from django.utils import timezone

from groups.models import CancelReason, Group
from tests.factories.money import rated_group
from tests.factories.people import GroupFactory, RobotFactory, UserFactory, days_ago
from tests.support.client import ApiClient
from tests.support.lists import listed_groups

pytestmark = pytest.mark.django_db
OWNER_LISTS = ("/owner/groups", "/groups/statistics", "/groups/welcome")


def cancelled(**fields) -> Group:
    return GroupFactory(cancelled_at=timezone.now(), cancel_reason=CancelReason.OPERATOR, **fields)


def test_rated_and_old_groups_are_in_one_list_and_new_ones_in_the_other(alice):
    star, old, new = rated_group(2, user=alice), GroupFactory(user=alice, is_legacy=True), GroupFactory(user=alice)
    assert {row["code"]: row["old_group"] for row in listed_groups(alice)} == {star.code: 0, old.code: 1}
    assert [row["code"] for row in listed_groups(alice, 0)] == [new.code]


def test_cancelled_groups_and_groups_of_other_users_are_in_neither_list(alice):
    cancelled(user=alice, star=3)
    rated_group(3)
    assert listed_groups(alice) == listed_groups(alice, 0) == []


def test_the_newest_binding_comes_first(alice):
    older, newer = (
        rated_group(1, user=alice, bound_at=days_ago(3)),
        rated_group(1, user=alice, bound_at=days_ago(2)),
    )
    assert [row["code"] for row in listed_groups(alice)] == [newer.code, older.code]


def test_the_robot_is_listed_by_its_nickname_in_the_group(alice):
    rated_group(1, user=alice, robot=RobotFactory(name="小助手"))
    rated_group(1, user=alice, robot_nickname="小熊")
    assert {row["robot_name"] for row in listed_groups(alice)} == {"小助手", "小熊"}


@pytest.mark.parametrize(
    ("settle_count", "switch", "status"),
    [
        (0, False, "收益中"),
        (30, False, "未收益"),
        (30, True, "收益中"),
        (29, False, "收益中"),
        (29, True, "收益中"),
    ],
)
def test_income_ends_when_all_days_are_paid_and_the_switch_is_off(alice, settle_count, switch, status):
    GroupFactory(user=alice, star=2, settle_count=settle_count, launch_switch=switch)
    [row] = listed_groups(alice)
    assert (row["income_status"], row["settle_count"], row["launch_switch"]) == (status, settle_count, int(switch))


def test_pages_do_not_overlap(alice):
    for _ in range(25):
        rated_group(1, user=alice, bound_at=days_ago(1))
    client = ApiClient(alice)
    pages = [client.get("/groups", status=1, current_page=number, page_size=10) for number in range(4)]
    assert [len(page["data"]) for page in pages] == [10, 10, 5, 0]
    assert len({row["code"] for page in pages for row in page["data"]}) == 25
    assert pages[1]["page_info"] == {"current_page": 1, "page_size": 10, "total_page": 3, "total_records": 25}


OTHER_STATUSES = ("2", "3", "-1", "99", "+3", str(10**30), str(-(10**30)), "9" * 1500)


@pytest.mark.parametrize("status", OTHER_STATUSES)
def test_a_status_that_no_group_has_lists_no_group(alice, status: str):
    rated_group(1, user=alice)
    GroupFactory(user=alice)
    answer = ApiClient(alice).get("/groups", status=status)
    assert (answer["code"], answer["data"], answer["page_info"]["total_records"]) == (1200, [], 0)


@pytest.mark.parametrize("status", ["", "x", "1.0", "1e0", "--1", "+", "0x1", "null", "１"])
def test_a_status_that_is_no_integer_is_refused(alice, status: str):
    answer = ApiClient(alice).get("/groups", status=status)
    assert (answer["code"], answer["data"]) == (1403, None)


@pytest.mark.parametrize("status", [0, 1])
def test_the_list_takes_a_fixed_number_of_queries(alice, status: int, django_assert_max_num_queries):
    for _ in range(30):
        GroupFactory(user=alice, star=3 if status else None)
    client = ApiClient(alice)
    with django_assert_max_num_queries(5):
        assert len(client.get("/groups", status=status)["data"]) == 20


def test_groups_owned_in_wechat_are_listed_for_their_owner(alice):
    owned = GroupFactory(wechat_owner_code="wx-alice")
    GroupFactory(user=alice, wechat_owner_code="wx-mallory")
    cancelled(wechat_owner_code="wx-alice")
    ids = {path: ApiClient(alice).get(path)["data"] for path in OWNER_LISTS}
    assert [row["id"] for row in ids["/owner/groups"]] == [str(owned.pk)]
    assert [row["group_id"] for row in ids["/groups/statistics"]] == [str(owned.pk)]
    assert [row["id"] for row in ids["/groups/welcome"]] == [str(owned.pk)]


def test_verify_answers_whether_the_user_owns_a_group_in_wechat(alice):
    assert ApiClient(alice).get("/owner/group/verify")["data"] is False
    GroupFactory(wechat_owner_code="wx-alice")
    assert ApiClient(alice).get("/owner/group/verify")["data"] is True


def test_a_user_without_a_code_owns_nothing():
    nobody = UserFactory(code=None)
    GroupFactory(wechat_owner_code="")
    assert ApiClient(nobody).get("/owner/group/verify")["data"] is False
    assert ApiClient(nobody).get("/owner/groups")["data"] == []


@pytest.mark.parametrize("path", OWNER_LISTS)
def test_page_size_minus_1_returns_all_rows(alice, path: str, django_assert_max_num_queries):
    GroupFactory.create_batch(23, wechat_owner_code="wx-alice")
    client = ApiClient(alice)
    with django_assert_max_num_queries(4):
        answer = client.get(path, page_size=-1)
    assert len(answer["data"]) == 23
    assert answer["page_info"] == {"current_page": 0, "page_size": 23, "total_page": 1, "total_records": 23}


@pytest.mark.parametrize("path", OWNER_LISTS)
def test_all_rows_of_no_groups_are_an_empty_list(alice, path: str):
    answer = ApiClient(alice).get(path, page_size=-1)
    assert (answer["data"], answer["page_info"]["total_records"]) == ([], 0)
