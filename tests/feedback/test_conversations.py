"""Talking with customer service: both ways, in order, and with patience when it is away."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from feedback import conversations
from feedback.models import Conversation, ForwardedMessage
from feedback.tasks import close_silent_conversations, forget_old_conversations, forward_messages
from integrations.sandbox.server import Reply
from robots.models import Robot
from tests.doors import said_to
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory, days_ago
from tests.factories.talks import ConversationFactory, ForwardedMessageFactory
from tests.feedback.test_callback import tells as staff_tells
from tests.outside import Outside, played_by
from tests.private_talk import last_said_to, tells_robot

pytestmark = pytest.mark.django_db
Status = ForwardedMessage.Status


@pytest.fixture(autouse=True)
def alice(sandbox) -> User:
    user = UserFactory(code="wx-alice", nickname="爱丽丝")
    FriendshipFactory(user=user, robot=RobotFactory(code="r1"))
    GroupFactory(wechat_owner_code="wx-alice")
    return user


def staff_heard(sandbox) -> list[str]:
    forward_messages()
    return [fact["body"]["content"] for fact in sandbox.state.forwarded]


def away(sandbox, mode: str = "error") -> None:
    sandbox.state.note("fault", system="aliyun", mode=mode, rate=1.0)


def back(sandbox) -> None:
    sandbox.state.faults.clear()
    ForwardedMessage.objects.filter(status=Status.WAITING).update(retry_at=timezone.now())


def silent(minutes: int = 31) -> None:
    """Nobody has spoken for so long."""
    Conversation.objects.update(
        opened_at=timezone.now() - timedelta(hours=2), said_at=timezone.now() - timedelta(minutes=minutes)
    )


def test_five_opens_a_talk_and_tells_staff(alice, sandbox):
    tells_robot("5")
    assert "接入客服" in last_said_to()
    assert Conversation.objects.get(closed_at=None).user == alice
    assert staff_heard(sandbox) == ["(用户请求接入客服)"]
    assert sandbox.state.forwarded[0]["body"]["userId"] == "wx-alice"
    assert sandbox.state.forwarded[0]["body"]["nickname"] == "爱丽丝"


def test_while_it_is_open_every_word_goes_to_staff_in_order(sandbox):
    tells_robot("5")
    for words in ("提现没到账", "1", "菜单"):
        tells_robot(words)
    assert staff_heard(sandbox)[1:] == ["提现没到账", "1", "菜单"]
    assert len(said_to("wx-alice")) == 1


OTHER_KINDS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": 8, "url": "http://e.com/p.png"}, "image", "http://e.com/p.png"),
    ({"type": 8, "content": "http://e.com/p.png"}, "image", "http://e.com/p.png"),
    ({"type": 11, "title": "小店", "content": "<msg/>", "url": "pages/a"}, "text", "[小程序] 小店 pages/a"),
    ({"type": 6, "title": "标题", "url": "http://e.com"}, "text", "[链接] 标题 http://e.com"),
    ({"type": 34, "url": "http://e.com/v.mp3"}, "text", "[消息] http://e.com/v.mp3"),
    ({"type": [], "content": 5}, "text", "[消息] 5"),
]


@pytest.mark.parametrize(("facts", "kind", "content"), OTHER_KINDS)
def test_pictures_go_as_pictures_and_the_rest_in_words(sandbox, facts, kind, content):
    tells_robot("5")
    tells_robot(**facts)
    assert staff_heard(sandbox)[1:] == [content]
    assert sandbox.state.forwarded[1]["body"]["msgType"] == kind


def test_nothing_said_is_nothing_to_pass_on(sandbox):
    tells_robot("5")
    tells_robot("  ")
    assert len(staff_heard(sandbox)) == 1


def test_leaving_ends_it_for_both_sides(sandbox):
    tells_robot("5")
    tells_robot("退出")
    assert "已结束" in last_said_to()
    assert Conversation.objects.get().closed_at is not None
    assert staff_heard(sandbox)[-1] == "(用户已结束对话)"
    tells_robot("2")
    assert "三步" in last_said_to()


def test_staff_ends_it_too(sandbox):
    tells_robot("5")
    staff_tells("CONVERSATION_CLOSE")
    tells_robot("谢谢")
    assert staff_heard(sandbox) == ["(用户请求接入客服)"]


def test_a_talk_that_staff_opened_takes_the_words_of_who_owns_no_group(sandbox):
    FriendshipFactory(user=UserFactory(code="wx-bob"), robot=Robot.objects.get(code="r1"))
    staff_tells("CONVERSATION_CREATE", user="wx-bob")
    tells_robot("你好", user="wx-bob")
    assert staff_heard(sandbox) == ["你好"]


def test_choosing_five_twice_is_one_talk(sandbox):
    tells_robot("5")
    tells_robot("5")
    assert Conversation.objects.count() == 1
    assert staff_heard(sandbox) == ["(用户请求接入客服)", "5"]


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_when_customer_service_is_away_the_user_is_told_once_and_nothing_is_lost(sandbox, mode):
    tells_robot("5")
    away(sandbox, mode)
    tells_robot("在吗")
    for _ in range(3):
        forward_messages()
        ForwardedMessage.objects.filter(status=Status.WAITING).update(retry_at=timezone.now())
    assert sum("暂时连不上" in words for words in said_to("wx-alice")) == 1
    back(sandbox)
    assert list(dict.fromkeys(staff_heard(sandbox))) == ["(用户请求接入客服)", "在吗"]
    assert set(ForwardedMessage.objects.values_list("status", flat=True)) == {Status.SENT}


def test_a_message_whose_reply_was_lost_comes_again_under_its_number(sandbox):
    tells_robot("5")
    away(sandbox, "drop_reply")
    forward_messages()
    back(sandbox)
    forward_messages()
    first, again = (fact["body"]["messageNo"] for fact in sandbox.state.forwarded)
    assert first == again


def test_customer_service_without_a_connection_keeps_the_door_open(settings):
    settings.ALIYUN_CS_BASE_URL = "http://127.0.0.1:1"
    tells_robot("5")
    forward_messages()
    assert "暂时连不上" in last_said_to()
    message = ForwardedMessage.objects.get()
    assert (message.status, message.try_count) == (Status.WAITING, 1)
    assert message.retry_at > timezone.now()


def test_a_message_that_fails_holds_back_its_own_talk_only(sandbox):
    FriendshipFactory(user=UserFactory(code="wx-bob"), robot=Robot.objects.get(code="r1"))
    GroupFactory(wechat_owner_code="wx-bob")
    tells_robot("5")
    tells_robot("一")
    ForwardedMessage.objects.filter(content__startswith="(").update(retry_at=timezone.now() + timedelta(minutes=1))
    tells_robot("5", user="wx-bob")
    assert staff_heard(sandbox) == ["(用户请求接入客服)"]
    assert sandbox.state.forwarded[0]["body"]["userId"] == "wx-bob"


def test_what_customer_service_refuses_does_not_hold_up_the_talk(sandbox):
    tells_robot("5")
    tells_robot("违禁")
    tells_robot("在吗")
    for _ in range(3):
        forward_messages()
        ForwardedMessage.objects.filter(status=Status.WAITING).update(retry_at=timezone.now())
    assert staff_heard(sandbox) == ["(用户请求接入客服)", "在吗"]
    refused = ForwardedMessage.objects.get(content="违禁")
    assert (refused.status, refused.try_count) == (Status.GIVEN_UP, 3)
    assert "400" in refused.reason
    assert ["没有送达" in words for words in said_to("wx-alice")] == [False, True]


def test_a_refusal_is_tried_again_before_it_counts(sandbox):
    tells_robot("5")
    tells_robot("违禁")
    forward_messages()
    refused = ForwardedMessage.objects.get(content="违禁")
    assert (refused.status, refused.try_count) == (Status.WAITING, 1)
    assert len(said_to("wx-alice")) == 1


def test_after_a_day_nobody_waits_for_an_answer_any_more(sandbox):
    tells_robot("5")
    away(sandbox)
    ForwardedMessage.objects.update(said_at=timezone.now() - timedelta(hours=25))
    forward_messages()
    message = ForwardedMessage.objects.get()
    assert message.status == Status.GIVEN_UP
    assert message.reason
    assert "没有送达" in last_said_to()


@pytest.mark.parametrize(("minutes", "closed"), [(29, 0), (31, 1)])
def test_long_silence_ends_it_and_the_user_is_told(minutes, closed):
    tells_robot("5")
    silent(minutes)
    assert close_silent_conversations() == closed
    assert sum("自动结束" in words for words in said_to("wx-alice")) == closed


def test_staff_is_told_too_that_silence_ended_it(sandbox):
    tells_robot("5")
    silent()
    close_silent_conversations()
    assert staff_heard(sandbox)[-1] == "(很久没有新消息,对话已自动结束)"


@pytest.mark.parametrize(("content", "kind"), [("查到了", "text"), ("http://e.com/p.png", "image")])
def test_staff_reach_nobody_whose_conversation_silence_ended_until_they_open_another(content, kind):
    tells_robot("5")
    silent()
    close_silent_conversations()
    staff_tells(content, kind=kind)
    assert (last_said_to() == content, Conversation.objects.filter(closed_at=None).exists()) == (False, False)
    staff_tells("CONVERSATION_CREATE")
    staff_tells(content, kind=kind)
    assert last_said_to() == content


def test_a_warning_of_silence_opens_nothing_again(sandbox):
    tells_robot("5")
    staff_tells("CONVERSATION_CLOSE")
    staff_tells("VISITOR_OVERTIME_NOTICE")
    assert not Conversation.objects.filter(closed_at=None).exists()


def test_a_warning_of_silence_breaks_no_silence():
    tells_robot("5")
    silent()
    staff_tells("VISITOR_OVERTIME_NOTICE")
    assert close_silent_conversations() == 1


@pytest.mark.parametrize("speak", [lambda: tells_robot("还在"), lambda: staff_tells("请稍等")])
def test_either_side_keeps_it_open(speak):
    tells_robot("5")
    silent()
    speak()
    assert close_silent_conversations() == 0


def test_talks_that_ended_90_days_ago_are_forgotten_with_what_was_said(monkeypatch):
    monkeypatch.setattr(conversations, "CHUNK", 1)
    old = [ForwardedMessageFactory(conversation=ConversationFactory(opened_at=days_ago(91))) for _ in range(3)]
    kept = ForwardedMessageFactory(conversation=ConversationFactory(opened_at=days_ago(89)))
    still_open = ConversationFactory(opened_at=days_ago(91), closed_at=None)
    assert forget_old_conversations() == len(old)
    assert list(ForwardedMessage.objects.all()) == [kept]
    assert set(Conversation.objects.all()) == {kept.conversation, still_open}


def test_the_database_knows_when_a_forward_ended():
    tells_robot("5")
    with pytest.raises(IntegrityError, match="settled_forward_has_settled_at"), transaction.atomic():
        ForwardedMessage.objects.update(status=Status.SENT)


@pytest.mark.parametrize("mode", ["error", "drop_reply"])
def test_a_sweep_ends_at_the_first_sign_that_customer_service_is_away(sandbox, mode: str):
    for _ in range(3):
        ForwardedMessageFactory(status=Status.WAITING)
    away(sandbox, mode)
    assert forward_messages() == 1
    for _ in range(2):  # a connection that broke may be noticed by the next call only
        back(sandbox)
        forward_messages()
    assert not ForwardedMessage.objects.exclude(status=Status.SENT).exists()


def test_one_message_is_taken_at_a_time_whatever_the_planner_chooses(tmp_path, settings):
    for _ in range(3):
        ForwardedMessageFactory(status=Status.WAITING)
    with connection.cursor() as cursor:
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
    with played_by(Outside(Reply({"code": 200})), tmp_path, settings):
        assert forward_messages() == 3


def test_what_customer_service_refuses_keeps_no_other_talk_waiting(tmp_path, settings):
    for _ in range(3):
        ForwardedMessageFactory(status=Status.WAITING)
    with played_by(Outside(Reply({"code": 500}), Reply({"code": 200})), tmp_path, settings):
        assert forward_messages() == 3
    assert ForwardedMessage.objects.filter(status=Status.SENT).count() == 2
