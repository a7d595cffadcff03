"""Ratings of groups, their consequences, and stars in the list."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from config.models import Scope
from groups.models import CancelReason, Group, StarPlan, StarRating
from robots.models import OutboxMessage
from robots.outbox import writing
from tests.factories.launches import reachable
from tests.factories.money import rated_group
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import key_with, private_messages_to, send_due_messages
from tests.support.lists import listed_groups
from tests.support.outbox import source_of
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db
SHANGHAI = ZoneInfo("Asia/Shanghai")


def rate(*groups: tuple[str, int], state: int = 1) -> dict:
    data = [{"groupId": code, "state": state, "star": star} for code, star in groups]
    return key_with(Scope.STARS_WRITE).post("/groups/star", {"command": "update_group_star", "data": data})


def test_a_rating_is_the_groups_star_and_history(alice):
    group = GroupFactory(user=alice)
    rate((group.code, 3))
    rate((group.code, 2))
    group.refresh_from_db()
    assert group.star == 2
    assert list(StarRating.objects.values_list("star", flat=True)) == [2, 3]


def test_a_batch_with_one_bad_item_changes_nothing(alice):
    group = GroupFactory(user=alice)
    answer = rate((group.code, 3), ("nobody", 2))
    assert answer["code"] == 1403
    assert "data.1.groupId" in answer["description"]
    group.refresh_from_db()
    assert group.star is None
    assert StarRating.objects.count() == 0


def test_a_cancelled_group_cannot_be_rated():
    group = GroupFactory(cancelled_at=timezone.now(), cancel_reason=3)
    assert rate((group.code, 3))["code"] == 1403


def test_a_group_may_be_named_by_its_id():
    group = GroupFactory()
    assert rate((str(group.pk), 3))["code"] == 1200
    group.refresh_from_db()
    assert group.star == 3


def test_a_group_whose_code_has_special_characters_is_rated_too():
    group = GroupFactory(code="群 一/甲")
    assert rate(("群 一/甲", 3))["code"] == 1200
    group.refresh_from_db()
    assert group.star == 3


def test_the_last_rating_of_a_group_counts_by_whatever_reference():
    group = GroupFactory()
    assert rate((group.code, 2), (str(group.pk), 3), (group.code, 4))["code"] == 1200
    assert list(StarRating.objects.values_list("group", "star")) == [(group.pk, 4)]


@pytest.mark.parametrize("item", [["g", 1, 3], {"groupId": "g", "state": 1, "star": True}, {"groupId": "g"}])
def test_one_item_of_the_wrong_shape_among_good_ones_is_named(item: object):
    group = GroupFactory()
    data = [{"groupId": group.code, "state": 1, "star": 3}, item]
    answer = key_with(Scope.STARS_WRITE).post("/groups/star", {"command": "update_group_star", "data": data})
    assert (answer["code"], StarRating.objects.count()) == (1403, 0)
    assert "data.1" in answer["description"]


def test_an_owner_without_a_code_gets_no_message():
    group = GroupFactory(user=UserFactory(code=None))
    assert rate((group.code, 3))["code"] == 1200
    assert OutboxMessage.objects.count() == 0


@pytest.mark.parametrize(("star", "switch"), [(1, True), (3, True), (4, False), (5, False)])
def test_four_and_five_stars_switch_launches_off(star: int, switch: bool):
    group = GroupFactory()
    rate((group.code, star))
    group.refresh_from_db()
    assert group.launch_switch is switch


def test_a_switch_that_is_off_stays_off():
    group = GroupFactory(launch_switch=False)
    rate((group.code, 2))
    group.refresh_from_db()
    assert group.launch_switch is False


def test_the_owner_is_notified_of_a_rating(alice):
    group = GroupFactory(user=alice, name="好群")
    rate((group.code, 3))
    assert private_messages_to("wx-alice") == ["群「好群」评为 3 星，以后每天的收益按新星级计算。"]


def test_an_owner_of_many_groups_gets_few_messages_each_of_one_robot(alice):
    one, other = RobotFactory(), RobotFactory()
    groups = [GroupFactory(user=alice, name=f"群{n:02}", robot=one) for n in range(22)]
    groups.append(GroupFactory(user=alice, name="另一个群", robot=other))
    rate(*[(group.code, 3) for group in reversed(groups)])
    lines = [f"群「群{n:02}」评为 3 星，以后每天的收益按新星级计算。" for n in range(22)]
    messages = OutboxMessage.objects.order_by("id")
    assert [message.content["content"] for message in messages.filter(robot=one)] == [
        "\n".join(lines[:20]),
        "\n".join(lines[20:]),
    ]
    assert messages.get(robot=other).content["content"] == "群「另一个群」评为 3 星，以后每天的收益按新星级计算。"


@pytest.mark.parametrize(("hour", "waits"), [(0, True), (7, True), (8, False), (23, False)])
def test_no_owner_is_notified_in_quiet_hours(alice, hour: int, waits: bool):
    group = GroupFactory(user=alice)
    with time_machine.travel(datetime(2026, 11, 20, hour, 30, tzinfo=SHANGHAI), tick=False):
        rate((group.code, 3))
        message = OutboxMessage.objects.get()
        eight = datetime(2026, 11, 20, 8, tzinfo=SHANGHAI).astimezone(UTC)
        assert message.not_before == (eight if waits else timezone.now())


def send_at(hour: int, minute: int, day: int = 21) -> int:
    with time_machine.travel(datetime(2026, 11, day, hour, minute, 30, tzinfo=SHANGHAI)):
        return send_due_messages()


def test_a_message_that_failed_before_midnight_is_sent_at_eight(alice, sandbox):
    group = reachable(user=alice)
    with time_machine.travel(datetime(2026, 11, 20, 23, 58, tzinfo=SHANGHAI)):
        rate((group.code, 3))
    set_fault(sandbox, "gateway")
    assert send_at(23, 58, day=20) == 1
    sandbox.state.faults.clear()
    assert [send_at(0, 20), send_at(7, 59), len(sandbox.state.messages)] == [0, 0, 0]
    assert [send_at(8, 0), len(sandbox.state.messages)] == [1, 1]


def test_a_message_that_waits_for_the_morning_delays_no_other(alice, sandbox):
    group = reachable(user=alice)
    with time_machine.travel(datetime(2026, 11, 20, 23, 58, tzinfo=SHANGHAI)):
        rate((group.code, 3))
        writing.message_user(
            robot=group.robot,
            user_code="wx-alice",
            content=writing.text("菜单"),
            source=source_of("t"),
            at=timezone.now(),
        )
    assert send_at(0, 20) == 1
    assert [message["content"] for message in sandbox.state.messages.values()] == ["菜单"]


def test_a_one_star_group_without_messages_is_cancelled():
    group = GroupFactory()
    rate((group.code, 1), state=6)
    group.refresh_from_db()
    assert group.cancel_reason == CancelReason.TOO_FEW_MESSAGES


def test_an_owner_is_not_promised_income_of_a_group_that_is_cancelled(alice):
    group = GroupFactory(user=alice, name="好群", star=3)
    rate((group.code, 1), state=6)
    assert private_messages_to("wx-alice") == ["群「好群」评为 1 星，因发言太少已经注销，不再有收益。"]


def test_an_upgraded_group_makes_room_for_a_degraded_one(alice):
    low = [rated_group(1, user=alice) for _ in range(20)]
    falling = GroupFactory(user=alice, star=3)
    rate((low[0].code, 2), (low[1].code, 1), (falling.code, 1))
    assert Group.objects.active().filter(user=alice, star=1).count() == 20


def test_the_21st_one_star_group_of_a_user_is_cancelled(alice):
    for _ in range(20):
        rated_group(1, user=alice)
    last = GroupFactory(user=alice)
    rate((last.code, 1))
    last.refresh_from_db()
    assert last.cancel_reason == CancelReason.TOO_MANY_LOW_STARS
    assert Group.objects.active().filter(user=alice).count() == 20


def test_rating_a_one_star_group_again_cancels_nothing(alice):
    groups = [rated_group(1, user=alice) for _ in range(20)]
    rate(*[(group.code, 1) for group in groups])
    assert Group.objects.active().filter(user=alice).count() == 20


def test_the_20th_one_star_group_stays(alice):
    for _ in range(19):
        rated_group(1, user=alice)
    last = GroupFactory(user=alice)
    rate((last.code, 1))
    last.refresh_from_db()
    assert last.cancelled_at is None


@pytest.mark.parametrize("name", ["code", "pk"])
def test_ratings_take_a_fixed_number_of_queries(django_assert_num_queries, alice, name: str):
    system = key_with(Scope.STARS_WRITE)
    groups = GroupFactory.create_batch(40, user=alice)
    data = [{"groupId": str(getattr(group, name)), "state": 1, "star": 3} for group in groups]
    system.post("/groups/star", {"command": "update_group_star", "data": data[:1]})
    with django_assert_num_queries(5):  # key, savepoint, lock, write, release
        system.post("/groups/star", {"command": "update_group_star", "data": data})


@pytest.mark.parametrize(("star", "price"), [(1, 0.6), (2, 1.5), (3, 3.0), (4, 9.0), (5, 30.0)])
def test_the_list_shows_the_stars_price(alice, star: int, price: float):
    rated_group(star, user=alice)
    [group] = listed_groups(alice)
    assert (group["quality_level"], group["group_income"], group["text_income"]) == (star, price, 0.16)


def test_an_unrated_group_has_code_name_and_day_only(alice):
    group = GroupFactory(user=alice, name="新群")
    [row] = listed_groups(alice, status=0)
    day = timezone.localtime(group.bound_at).strftime("%Y-%m-%d")
    known = {"code": group.code, "name": "新群", "create_date": day}
    assert row == dict.fromkeys(row) | known
    assert len(row) == 11


def test_rated_and_old_groups_are_apart_from_the_unrated(alice):
    rated_group(3, user=alice)
    GroupFactory(user=alice, is_legacy=True)
    GroupFactory(user=alice)
    assert (len(listed_groups(alice, 1)), len(listed_groups(alice, 0))) == (2, 1)


def test_the_robots_name_is_its_nickname_in_the_group(alice):
    rated_group(3, user=alice, robot_nickname="小秘书")
    assert listed_groups(alice)[0]["robot_name"] == "小秘书"


def test_income_ends_when_all_days_are_paid_and_launches_are_off(alice):
    rated_group(5, user=alice, settle_count=30)
    assert listed_groups(alice)[0]["income_status"] == "未收益"


@pytest.mark.parametrize("fields", [{"star": 5, "settle_count": 29}, {"star": 3, "settle_count": 30}])
def test_income_continues_with_days_left_or_launches_on(alice, fields: dict):
    rated_group(user=alice, **fields)
    assert listed_groups(alice)[0]["income_status"] == "收益中"


def test_a_new_plan_changes_the_price_from_its_first_day(alice):
    rated_group(3, user=alice)
    tomorrow = timezone.localdate() + timedelta(days=1)
    StarPlan.objects.create(star=3, daily_profit="0.20", income_days=30, valid_from=tomorrow)
    assert listed_groups(alice)[0]["group_income"] == 3.0
    StarPlan.objects.create(star=3, daily_profit="0.20", income_days=30, valid_from=timezone.localdate())
    assert listed_groups(alice)[0]["group_income"] == 6.0


def test_the_list_has_only_the_users_own_groups(alice):
    rated_group(3)
    assert listed_groups(alice) == []


def test_a_cancelled_group_leaves_the_list(alice):
    rated_group(3, user=alice, cancelled_at=timezone.now(), cancel_reason=4)
    assert listed_groups(alice) == []


@pytest.mark.parametrize("status", [0, 1])
def test_the_list_takes_as_many_queries_for_40_groups_as_for_one(alice, status: int, django_assert_num_queries):
    client = ApiClient(alice)
    for _ in range(40):
        rated_group(3, user=alice)
        GroupFactory(user=alice)
    with django_assert_num_queries(1):
        assert len(client.get("/groups", status=status, page_size=40)["data"]) == 40
