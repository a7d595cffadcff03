"""The outbox in the admin: the texts, receivers, sources and failures of messages."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from robots.models import MessageAttempt, OutboxMessage, SourceType
from robots.outbox import writing
from tests.factories.people import GroupFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.admin_tables import listed_rows
from tests.support.outbox import source_of, write_message

pytestmark = pytest.mark.django_db
LIST = "robots/outboxmessage/"


def failed(message: OutboxMessage, reason: str, **more: Any) -> OutboxMessage:
    fields = {"status": OutboxMessage.Status.FAILED, "finished_at": timezone.now(), "last_error": reason}
    OutboxMessage.objects.filter(pk=message.pk).update(**{**fields, **more})
    return message


def texts(root: Operator, **query: str) -> list[str]:
    return [row["summary"] for row in listed_rows(root.page(LIST, **query))]


def test_the_list_shows_text_source_and_receiver(root, robot):
    group = GroupFactory(name="美食群", code="g-7", robot=robot)
    problem = source_of(str(group.pk))
    write_message(robot, "大家好", group="g-7", source=problem)
    page = root.page(LIST)
    [row] = listed_rows(page)
    assert (row["summary"], row["origin"], row["receiver"]) == ("发消息 大家好", "问题反馈", "美食群")
    assert f'<a href="/admin/feedback/problem/{group.pk}/change/">问题反馈</a>' in page
    assert f'<a href="/admin/groups/group/{group.pk}/change/">美食群</a>' in page


def test_an_event_as_the_source_is_found_by_its_number(root, robot):
    message = write_message(robot, "你好")
    OutboxMessage.objects.filter(pk=message.pk).update(source_type=SourceType.KEYWORD, source_id="event-7")
    assert '<a href="/admin/integrations/gatewayevent/?q=event-7">关键字回复</a>' in root.page(LIST)


def test_a_private_message_names_its_user(root, robot):
    UserFactory(nickname="李雷", code="wx-li")
    message = writing.private_message(
        robot=robot,
        user_code="wx-li",
        content=writing.link(title="周末", url="https://example.com/a"),
        source=source_of("test"),
        at=timezone.now(),
    )
    message.save()
    assert listed_rows(root.page(LIST))[0]["receiver"] == "李雷"
    page = root.page(f"{LIST}{message.pk}/change/")
    assert ">https://example.com/a</a>" in page
    assert "周末" in page


def test_messages_are_filtered_by_reason_of_failure(root, robot):
    reasons = {
        "unreachable": "gateway: no connection",
        "timeout": "gateway: ReadTimeout",
        "busy": "gateway: HTTP 429",
        "broken": "gateway: HTTP 502",
        "refused": "gateway: 4003 群不存在",
        "robot": "机器人已封号",
        "operator": "由 root 关闭",
    }
    for reason in reasons.values():
        failed(write_message(robot, reason), reason)
    assert {name: texts(root, failure=name) for name in reasons} == {
        name: [f"发消息 {reason}"] for name, reason in reasons.items()
    }


def test_a_failure_is_explained_with_the_answer_behind_it(root, robot):
    message = failed(write_message(robot, "你好"), "gateway: ReadTimeout")
    MessageAttempt.objects.create(
        message=message, outcome="unknown", answer="gateway: HTTP 502", tried_at=timezone.now()
    )
    assert listed_rows(root.page(LIST))[0]["failure"] == "网关没有及时回答（ReadTimeout）"
    assert "网关故障（HTTP 502）" in root.page(f"{LIST}{message.pk}/change/")


def test_messages_are_filtered_by_source_and_by_day_of_failure(root, robot):
    old = failed(write_message(robot, "旧"), "机器人已封号", finished_at=timezone.now() - timedelta(days=5))
    failed(write_message(robot, "新"), "机器人已封号")
    OutboxMessage.objects.filter(pk=old.pk).update(source_type=SourceType.LAUNCH)
    today = f"{timezone.localdate():%F}"
    assert texts(root, finished_at_from=today) == ["发消息 新"]
    assert texts(root, source_type="launch") == ["发消息 旧"]


def test_a_short_link_in_a_text_is_not_readable(root, robot):
    write_message(robot, "点 http://testserver/s/abcdefgh 领取")
    assert texts(root) == ["发消息 点 http://testserver/s/… 领取"]


def test_hostile_texts_stay_texts(root, robot):
    message = write_message(robot, "<script>alert(1)</script>")
    for page in (root.page(LIST), root.page(f"{LIST}{message.pk}/change/")):
        assert "<script>alert" not in page
