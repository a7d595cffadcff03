"""Conversations with customer service: both ways, in order, and while it is unavailable."""

import sys
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from feedback import conversations
from feedback.models import Conversation, ForwardedMessage
from feedback.tasks import close_silent_conversations, forget_old_conversations, forward_messages
from integrations.aliyun.customer_service import CustomerService
from integrations.sandbox.server import SandboxResponse
from robots.models import Robot
from tests.factories.conversations import ConversationFactory, ForwardedMessageFactory
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory, days_ago
from tests.support.customer_service import call_back as staff_calls_back
from tests.support.entry_points import private_messages_to
from tests.support.outside_system import OutsideSystem, played_by, set_fault
from tests.support.private_messages import last_message_to, receive_private_message

pytestmark = pytest.mark.django_db
Status = ForwardedMessage.Status


@pytest.fixture(autouse=True)
def alice(sandbox) -> User:
    user = UserFactory(code="wx-alice", nickname="爱丽丝")
    FriendshipFactory(user=user, robot=RobotFactory(code="r1"))
    GroupFactory(wechat_owner_code="wx-alice")
    return user


def forwarded_to_staff(sandbox) -> list[str]:
    forward_messages()
    return [call["body"]["content"] for call in sandbox.state.forwarded]


def clear_fault(sandbox) -> None:
    sandbox.state.faults.clear()
    ForwardedMessage.objects.filter(status=Status.WAITING).update(next_attempt_at=timezone.now())


def make_silent(minutes: int = 31) -> None:
    """Set the last message of conversations to this many minutes ago."""
    Conversation.objects.update(
        opened_at=timezone.now() - timedelta(hours=2), last_message_at=timezone.now() - timedelta(minutes=minutes)
    )


def test_choice_5_opens_a_conversation_and_notifies_staff(alice, sandbox):
    receive_private_message("5")
    assert "接入客服" in last_message_to()
    assert Conversation.objects.get(closed_at=None).user == alice
    assert forwarded_to_staff(sandbox) == ["（用户请求接入客服）"]
    assert sandbox.state.forwarded[0]["body"]["userId"] == "wx-alice"
    assert sandbox.state.forwarded[0]["body"]["nickname"] == "爱丽丝"


def test_messages_in_an_open_conversation_are_forwarded_in_order(sandbox):
    receive_private_message("5")
    for text in ("提现没到账", "1", "菜单"):
        receive_private_message(text)
    assert forwarded_to_staff(sandbox)[1:] == ["提现没到账", "1", "菜单"]
    assert len(private_messages_to("wx-alice")) == 1


OTHER_KINDS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": 8, "url": "http://e.com/p.png"}, "image", "http://e.com/p.png"),
    ({"type": 8, "content": "http://e.com/p.png"}, "image", "http://e.com/p.png"),
    ({"type": 11, "title": "小店", "content": "<msg/>", "url": "pages/a"}, "text", "[小程序] 小店 pages/a"),
    ({"type": 6, "title": "标题", "url": "http://e.com"}, "text", "[链接] 标题 http://e.com"),
    ({"type": 34, "url": "http://e.com/v.mp3"}, "text", "[消息] http://e.com/v.mp3"),
    ({"type": [], "content": 5}, "text", "[消息] 5"),
]


@pytest.mark.parametrize(("fields", "kind", "content"), OTHER_KINDS)
def test_pictures_are_forwarded_as_pictures_and_other_messages_as_text(sandbox, fields, kind, content):
    receive_private_message("5")
    receive_private_message(**fields)
    assert forwarded_to_staff(sandbox)[1:] == [content]
    assert sandbox.state.forwarded[1]["body"]["msgType"] == kind


def test_an_empty_message_is_not_forwarded(sandbox):
    receive_private_message("5")
    receive_private_message("  ")
    assert len(forwarded_to_staff(sandbox)) == 1


def test_leaving_ends_the_conversation_for_both_sides(sandbox):
    receive_private_message("5")
    receive_private_message("退出")
    assert "已结束" in last_message_to()
    assert Conversation.objects.get().closed_at is not None
    assert forwarded_to_staff(sandbox)[-1] == "（用户已结束对话）"
    receive_private_message("2")
    assert "三步" in last_message_to()


def test_staff_can_end_the_conversation(sandbox):
    receive_private_message("5")
    staff_calls_back("CONVERSATION_CLOSE")
    receive_private_message("谢谢")
    assert forwarded_to_staff(sandbox) == ["（用户请求接入客服）"]


def test_a_conversation_opened_by_staff_forwards_messages_of_users_without_groups(sandbox):
    FriendshipFactory(user=UserFactory(code="wx-bob"), robot=Robot.objects.get(code="r1"))
    staff_calls_back("CONVERSATION_CREATE", user="wx-bob")
    receive_private_message("你好", user="wx-bob")
    assert forwarded_to_staff(sandbox) == ["你好"]


def test_choosing_5_twice_opens_one_conversation(sandbox):
    receive_private_message("5")
    receive_private_message("5")
    assert Conversation.objects.count() == 1
    assert forwarded_to_staff(sandbox) == ["（用户请求接入客服）", "5"]


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_when_customer_service_is_unavailable_the_user_is_notified_once_and_no_message_is_lost(sandbox, mode):
    receive_private_message("5")
    set_fault(sandbox, "aliyun", mode)
    receive_private_message("在吗")
    for _ in range(3):
        forward_messages()
        ForwardedMessage.objects.filter(status=Status.WAITING).update(next_attempt_at=timezone.now())
    assert sum("暂时连不上" in text for text in private_messages_to("wx-alice")) == 1
    clear_fault(sandbox)
    assert list(dict.fromkeys(forwarded_to_staff(sandbox))) == ["（用户请求接入客服）", "在吗"]
    assert set(ForwardedMessage.objects.values_list("status", flat=True)) == {Status.SENT}


def test_a_message_whose_answer_was_lost_is_sent_again_under_its_number(sandbox):
    receive_private_message("5")
    set_fault(sandbox, "aliyun", "drop_reply")
    forward_messages()
    clear_fault(sandbox)
    forward_messages()
    first, again = (call["body"]["messageNo"] for call in sandbox.state.forwarded)
    assert first == again


def test_a_message_waits_while_customer_service_has_no_connection(settings):
    settings.ALIYUN_CS_BASE_URL = "http://127.0.0.1:1"
    receive_private_message("5")
    forward_messages()
    assert "暂时连不上" in last_message_to()
    message = ForwardedMessage.objects.get()
    assert (message.status, message.attempts) == (Status.WAITING, 1)
    assert message.next_attempt_at > timezone.now()


def test_a_failed_message_delays_only_its_own_conversation(sandbox):
    FriendshipFactory(user=UserFactory(code="wx-bob"), robot=Robot.objects.get(code="r1"))
    GroupFactory(wechat_owner_code="wx-bob")
    receive_private_message("5")
    receive_private_message("一")
    ForwardedMessage.objects.filter(content__startswith="（").update(
        next_attempt_at=timezone.now() + timedelta(minutes=1)
    )
    receive_private_message("5", user="wx-bob")
    assert forwarded_to_staff(sandbox) == ["（用户请求接入客服）"]
    assert sandbox.state.forwarded[0]["body"]["userId"] == "wx-bob"


def test_the_message_of_a_killed_worker_is_forwarded_when_its_lease_has_ended(sandbox, monkeypatch):
    receive_private_message("5")
    with monkeypatch.context() as killed:
        killed.setattr(CustomerService, "forward", lambda *_, **__: sys.exit())
        with pytest.raises(SystemExit):
            forward_messages()
    assert forwarded_to_staff(sandbox) == []
    ForwardedMessage.objects.update(leased_until=timezone.now())
    assert forwarded_to_staff(sandbox) == ["（用户请求接入客服）"]
    message = ForwardedMessage.objects.get()
    assert (message.status, message.attempts, message.leased_until) == (Status.SENT, 2, None)


def test_a_refused_message_does_not_stop_its_conversation(sandbox):
    receive_private_message("5")
    receive_private_message("违禁")
    receive_private_message("在吗")
    for _ in range(3):
        forward_messages()
        ForwardedMessage.objects.filter(status=Status.WAITING).update(next_attempt_at=timezone.now())
    assert forwarded_to_staff(sandbox) == ["（用户请求接入客服）", "在吗"]
    refused = ForwardedMessage.objects.get(content="违禁")
    assert (refused.status, refused.attempts) == (Status.FAILED, 3)
    assert "400" in refused.last_error
    assert ["没有送达" in text for text in private_messages_to("wx-alice")] == [False, True]


def test_a_refused_message_is_tried_again(sandbox):
    receive_private_message("5")
    receive_private_message("违禁")
    forward_messages()
    refused = ForwardedMessage.objects.get(content="违禁")
    assert (refused.status, refused.attempts) == (Status.WAITING, 1)
    assert len(private_messages_to("wx-alice")) == 1


def test_a_message_fails_after_a_day(sandbox):
    receive_private_message("5")
    set_fault(sandbox, "aliyun")
    ForwardedMessage.objects.update(written_at=timezone.now() - timedelta(hours=25))
    forward_messages()
    message = ForwardedMessage.objects.get()
    assert message.status == Status.FAILED
    assert message.last_error
    assert "没有送达" in last_message_to()


@pytest.mark.parametrize(("minutes", "closed"), [(29, 0), (31, 1)])
def test_a_long_silence_ends_the_conversation_and_notifies_the_user(minutes, closed):
    receive_private_message("5")
    make_silent(minutes)
    assert close_silent_conversations() == closed
    assert sum("自动结束" in text for text in private_messages_to("wx-alice")) == closed


def test_staff_is_notified_of_a_conversation_ended_by_silence(sandbox):
    receive_private_message("5")
    make_silent()
    close_silent_conversations()
    assert forwarded_to_staff(sandbox)[-1] == "（很久没有新消息，对话已自动结束）"


@pytest.mark.parametrize(("content", "kind"), [("查到了", "text"), ("http://e.com/p.png", "image")])
def test_staff_cannot_reach_a_user_after_silence_until_they_open_a_conversation(content, kind):
    receive_private_message("5")
    make_silent()
    close_silent_conversations()
    staff_calls_back(content, kind=kind)
    assert (last_message_to() == content, Conversation.objects.filter(closed_at=None).exists()) == (False, False)
    staff_calls_back("CONVERSATION_CREATE")
    staff_calls_back(content, kind=kind)
    assert last_message_to() == content


def test_a_warning_of_silence_opens_no_conversation(sandbox):
    receive_private_message("5")
    staff_calls_back("CONVERSATION_CLOSE")
    staff_calls_back("VISITOR_OVERTIME_NOTICE")
    assert not Conversation.objects.filter(closed_at=None).exists()


def test_a_warning_of_silence_is_no_activity():
    receive_private_message("5")
    make_silent()
    staff_calls_back("VISITOR_OVERTIME_NOTICE")
    assert close_silent_conversations() == 1


@pytest.mark.parametrize("speak", [lambda: receive_private_message("还在"), lambda: staff_calls_back("请稍等")])
def test_a_message_of_either_side_keeps_the_conversation_open(speak):
    receive_private_message("5")
    make_silent()
    speak()
    assert close_silent_conversations() == 0


def test_conversations_that_ended_90_days_ago_are_deleted_with_their_messages(monkeypatch):
    monkeypatch.setattr(conversations, "CHUNK", 1)
    old = [ForwardedMessageFactory(conversation=ConversationFactory(opened_at=days_ago(91))) for _ in range(3)]
    kept = ForwardedMessageFactory(conversation=ConversationFactory(opened_at=days_ago(89)))
    still_open = ConversationFactory(opened_at=days_ago(91), closed_at=None)
    assert forget_old_conversations() == len(old)
    assert list(ForwardedMessage.objects.all()) == [kept]
    assert set(Conversation.objects.all()) == {kept.conversation, still_open}


def test_the_database_refuses_a_sent_forward_without_its_moment():
    receive_private_message("5")
    with pytest.raises(IntegrityError, match="forwardedmessage_is_finished_unless_waiting"), transaction.atomic():
        ForwardedMessage.objects.update(status=Status.SENT)


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_a_sweep_ends_when_customer_service_is_unavailable(sandbox, mode: str):
    for _ in range(3):
        ForwardedMessageFactory(status=Status.WAITING)
    set_fault(sandbox, "aliyun", mode)
    assert forward_messages() == 1
    for _ in range(2):  # a connection that broke may be noticed by the next call only
        clear_fault(sandbox)
        forward_messages()
    assert not ForwardedMessage.objects.exclude(status=Status.SENT).exists()


def test_a_claim_takes_one_message_whatever_the_planner_chooses(tmp_path, settings):
    for _ in range(3):
        ForwardedMessageFactory(status=Status.WAITING)
    with connection.cursor() as cursor:
        for plan in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize"):
            cursor.execute(f"SET LOCAL enable_{plan} = off")
    with played_by(OutsideSystem(SandboxResponse({"code": 200})), tmp_path, settings):
        assert forward_messages() == 3


def test_a_refused_message_does_not_stop_other_conversations(tmp_path, settings):
    for _ in range(3):
        ForwardedMessageFactory(status=Status.WAITING)
    with played_by(
        OutsideSystem(SandboxResponse({"code": 500}), SandboxResponse({"code": 200})), tmp_path, settings
    ):
        assert forward_messages() == 3
    assert ForwardedMessage.objects.filter(status=Status.SENT).count() == 2
