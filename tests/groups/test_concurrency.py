"""Concurrent work on the same groups: no deadlocks, and no messages to groups that are being cancelled."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from groups import cancelling
from groups.models import CancelReason, Group, GroupMessage
from integrations.models import GatewayEvent
from robots import pool, roster
from robots.models import Robot
from tests.factories.money import rated_group
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.concurrency import in_another_thread
from tests.support.entry_points import gateway_sends, key_with, private_messages_to
from tests.support.group_messages import group_message, messages_to, receive_group_message

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def cancel(*groups: Group) -> int:
    ids = [group.pk for group in groups]
    return cancelling.cancel_groups(group_ids=ids, reason=CancelReason.OPERATOR, by="wang", at=timezone.now())


def while_cancelling(group: Group, work: Callable[[], Any]) -> Any:
    """Return the result of `work`, started before the cancelling of its group commits."""
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            cancel(group)
            future = in_another_thread(threads, work)
        return future.result()


@pytest.fixture
def group() -> Group:
    return GroupFactory(code="g1", user=UserFactory(code="wx-alice"), robot=RobotFactory(code="r1"))


def test_no_mention_is_answered_in_a_group_that_is_being_cancelled(group):
    receive_group_message(by="bob")
    body = {"group_code": "g1", "mem_code": "bob", "content": "在的", "type": 3}
    answer = while_cancelling(group, lambda: ApiClient(group.user).post("/alt_msg/reply", body))
    assert answer["code"] == 1404
    assert messages_to() == []


def test_no_keyword_is_answered_in_a_group_that_is_being_cancelled(group):
    ApiClient(group.user).post("/keywords", {"group_codes": ["g1"], "keywords": ["价格"], "reply_content": "十元"})
    while_cancelling(group, lambda: receive_group_message("价格"))
    assert messages_to() == []


def test_nobody_is_welcomed_in_a_group_that_is_being_cancelled(group):
    Group.objects.update(welcome_message="欢迎")
    while_cancelling(group, lambda: gateway_sends(("join_group", {"group_id": "g1", "user_id": "bob"})))
    assert messages_to() == []


def test_no_user_is_asked_to_pull_the_robot_back_into_a_group_that_is_being_cancelled(group):
    answer = while_cancelling(group, lambda: ApiClient(group.user).get("/pullback/g1"))
    assert answer["code"] == 1404
    assert private_messages_to("wx-alice") == []


def test_messages_of_many_groups_and_a_cancelling_do_not_deadlock():
    first, second = sorted([GroupFactory(), GroupFactory()], key=lambda group: group.pk)
    events = (group_message("甲", group=second.code), group_message("乙", group=first.code))
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            cancel(first)
            future = in_another_thread(threads, lambda: gateway_sends(*events))
            assert cancel(second) == 1
        future.result()
    assert GroupMessage.objects.count() == 0


def test_a_ban_and_a_cancelling_do_not_deadlock(group):
    banned = ("abnormal_robot", {"robot_id": "r1"})
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Group.objects.select_for_update().get(pk=group.pk)
            future = in_another_thread(threads, lambda: gateway_sends(banned))
            assert cancel(group) == 1
        future.result()
    assert Robot.objects.values_list("status", "group_count").get() == (Robot.Status.BANNED, 0)
    assert GatewayEvent.objects.get().attempts == 1


class Gateway:
    """A gateway that lists all robots, the newest first."""

    def robots(self) -> list[dict[str, str]]:
        return [{"robot_id": code} for code in Robot.objects.order_by("-pk").values_list("code", flat=True)]


def test_a_sync_and_an_assigning_do_not_deadlock():
    first, second = sorted([RobotFactory(), RobotFactory()], key=lambda robot: robot.pk)
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            pool.lock(Robot.objects.filter(pk=first.pk))
            future = in_another_thread(threads, lambda: roster.sync_with_gateway(Gateway()))
            pool.lock(Robot.objects.filter(pk=second.pk))
        assert future.result().updated == 2


def test_two_batches_at_once_leave_a_user_no_21st_one_star_group():
    alice: User = UserFactory()
    for _ in range(19):
        rated_group(1, user=alice)
    one, other = GroupFactory(user=alice), GroupFactory(user=alice)

    def rate(group: Group) -> int:
        item = {"groupId": group.code, "state": 1, "star": 1}
        return key_with().post("/groups/star", {"command": "update_group_star", "data": [item]})["code"]

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            rate(one)
            future = in_another_thread(threads, lambda: rate(other))
        assert future.result() == 1200
    assert Group.objects.active().filter(user=alice, star=1).count() == 20
