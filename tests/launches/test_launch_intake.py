"""Receiving of launches from the launch system."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from config.models import Scope
from launches.models import Delivery, Launch
from robots.models import OutboxMessage, Robot
from tests.factories.launches import TEXT_ITEM
from tests.factories.people import GroupFactory, days_ago
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db
LINK = {"type": 3, "title": "好文", "content": "值得一读", "url": "https://example.com/a?g={groupId}"}
CARD = {"type": 4, "title": "小店", "content": "https://example.com/c.png", "url": "pages/index?g={groupId}"}
PICTURE = {"type": 2, "filePath": "https://example.com/a.png"}


def receive(*codes: str, task_id: str = "task-1", items: Any = (TEXT_ITEM,)) -> dict[str, Any]:
    body = {"taskId": task_id, "groupIds": list(codes), "content": {"items": list(items)}}
    return key_with(Scope.LAUNCHES_WRITE).post("/task/receive", body)


def contents_for(code: str) -> list[dict[str, Any]]:
    return [row.content for row in OutboxMessage.objects.filter(group_code=code).order_by("pk")]


def state_of(code: str) -> tuple[int, str]:
    return Delivery.objects.values_list("status", "reason").get(group_code=code)


def test_each_group_gets_every_item_in_order():
    groups = [GroupFactory(), GroupFactory()]
    answer = receive(*(group.code for group in groups), items=[TEXT_ITEM, PICTURE])
    assert (answer["code"], answer["data"], answer["page_info"]) == (1200, None, {})
    for group in groups:
        assert [content["type"] for content in contents_for(group.code)] == [3, 8]


def test_items_become_messages_in_the_gateways_format():
    group = GroupFactory(code="g-7")
    receive(group.code, items=[TEXT_ITEM, PICTURE, LINK, CARD])
    assert contents_for("g-7") == [
        {"type": 3, "content": "大家好"},
        {"type": 8, "content": "https://example.com/a.png", "url": "https://example.com/a.png"},
        {"type": 6, "title": "好文", "desc": "值得一读", "url": "https://example.com/a?g=g-7"},
        {"type": 11, "title": "小店", "content": "https://example.com/c.png", "url": "pages/index?g=g-7"},
    ]


def test_a_mini_program_carries_its_card_where_the_launch_system_has_one():
    group = GroupFactory()
    card = "<msg><appmsg><title>小店</title></appmsg></msg>"
    receive(group.code, items=[CARD | {"filePath": card}])
    assert contents_for(group.code)[0]["content"] == card


def test_a_code_with_quotes_and_slashes_does_not_break_the_link():
    group = GroupFactory(code='g"\\7"')
    receive(group.code, items=[LINK])
    assert contents_for(group.code)[0]["url"] == 'https://example.com/a?g=g"\\7"'


def test_a_group_may_be_named_by_its_id_and_is_then_sent_to_once():
    group = GroupFactory()
    receive(str(group.pk).upper(), group.code)
    assert len(contents_for(group.code)) == 1
    assert Launch.objects.get().planned_count == 1


def test_an_id_may_be_written_without_hyphens():
    group = GroupFactory()
    receive(group.pk.hex)
    assert len(contents_for(group.code)) == 1


def test_an_unknown_group_has_failed():
    receive("nobody")
    assert state_of("nobody") == (Delivery.Status.FAILED, "没有这个群")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"launch_switch": False}, "投放开关已关闭"),
        ({"cancelled_at": days_ago(1), "cancel_reason": 3}, "群已注销"),
    ],
)
def test_a_group_that_takes_no_launches_is_skipped(fields: dict[str, Any], reason: str):
    group = GroupFactory(**fields)
    receive(group.code)
    assert state_of(group.code) == (Delivery.Status.SKIPPED, reason)
    assert contents_for(group.code) == []


def test_a_group_whose_robot_was_removed_is_skipped():
    group = GroupFactory(robot__status=Robot.Status.REMOVED)
    receive(group.code)
    assert state_of(group.code) == (Delivery.Status.SKIPPED, "机器人不可用")


def test_the_counts_add_up_to_the_planned_count():
    receive(GroupFactory().code, GroupFactory(launch_switch=False).code, "nobody")
    launch = Launch.objects.get()
    assert (launch.planned_count, launch.waiting_count, launch.failed_count, launch.skipped_count) == (3, 1, 1, 1)
    assert launch.status == Launch.Status.RUNNING


def test_a_launch_with_nothing_to_send_is_finished_at_once():
    receive("nobody")
    assert Launch.objects.get().status == Launch.Status.FINISHED


def test_the_same_task_again_changes_nothing():
    group, other = GroupFactory(), GroupFactory()
    assert receive(group.code, other.code)["code"] == 1200
    assert receive(other.code, group.code, group.code)["code"] == 1200
    assert Launch.objects.count() == 1
    assert OutboxMessage.objects.count() == 2


def test_the_same_task_with_other_content_is_a_conflict():
    group = GroupFactory()
    receive(group.code)
    assert receive(group.code, items=[PICTURE])["code"] == 1409
    assert len(contents_for(group.code)) == 1


def test_the_same_task_for_other_groups_is_a_conflict():
    receive(GroupFactory().code)
    assert receive(GroupFactory().code)["code"] == 1409
    assert OutboxMessage.objects.count() == 1


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"type": 1}, "content"),
        ({"type": 1, "content": " "}, "content"),
        ({"type": 2, "content": "x"}, "filePath"),
        ({"type": 3, "title": "x"}, "url"),
        ({"type": 3, "url": "https://example.com"}, "title"),
        ({"type": 3, "title": "x", "url": "javascript:alert(1)"}, "url"),
        ({"type": 2, "filePath": "javascript:alert(1)"}, "filePath"),
        ({"type": 3, "title": "x", "url": "https://a@evil.com/"}, "url"),
        ({"type": 4, "title": "x", "url": "pages/index"}, "content"),
        ({"type": 5, "content": "x"}, "type"),
        ({"content": "x"}, "type"),
    ],
)
def test_an_item_needs_what_its_type_needs(item: dict[str, Any], field: str):
    answer = receive(GroupFactory().code, items=[TEXT_ITEM, item])
    assert answer["code"] == 1403
    assert f"content.items.1.{field}" in answer["description"]
    assert Launch.objects.count() == 0


@pytest.mark.parametrize("codes", [[], [""], ["x" * 129], [7], ["a\x00"], ["a\ud800"], ["\udfff"]])
def test_groups_must_be_named(codes: list[Any]):
    answer = receive(*codes)
    assert answer["code"] == 1403
    assert "groupIds" in answer["description"]


def test_ten_thousand_groups_take_as_many_statements_as_one(django_assert_max_num_queries):
    group = GroupFactory()
    client = key_with(Scope.LAUNCHES_WRITE)
    body = {
        "taskId": "t",
        "groupIds": [group.code, *(f"g-{n}" for n in range(9_999))],
        "content": {"items": [TEXT_ITEM]},
    }
    with django_assert_max_num_queries(14):
        assert client.post("/task/receive", body)["code"] == 1200
    assert Launch.objects.get().planned_count == 10_000


def test_the_database_refuses_a_second_delivery_to_a_group():
    group = GroupFactory()
    receive(group.code)
    delivery = Delivery.objects.get()
    delivery.pk = None
    with pytest.raises(IntegrityError, match="one_delivery_per_launch_and_group"), transaction.atomic():
        delivery.save(force_insert=True)


def test_the_database_refuses_a_finished_launch_with_something_waiting():
    receive(GroupFactory().code)
    with pytest.raises(IntegrityError, match="finished_launch_has_nothing_waiting"), transaction.atomic():
        Launch.objects.update(status=Launch.Status.FINISHED, finished_at=days_ago(0))
