"""Mentions in groups: notifications of the owner, the messages around a mention, and replies."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from groups import messages
from groups.models import Group, GroupMessage, Mention
from groups.tasks import forget_old_messages
from integrations.models import GatewayEvent
from integrations.moderation.words import add_words
from robots.models import OutboxMessage
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import gateway_sends, private_messages_to
from tests.support.group_messages import group_message, messages_to, receive_group_message

pytestmark = pytest.mark.django_db


@pytest.fixture
def group(alice) -> Group:
    return GroupFactory(code="g1", name="好群", user=alice, robot=RobotFactory(code="r1"))


def mentions(user: User) -> list[dict]:
    return ApiClient(user).get("/alt_msg")["data"]


def context(user: User) -> list[dict]:
    mention = Mention.objects.latest("mentioned_at")
    return ApiClient(user).get(f"/groups/g1/msg/{mention.pk}/context")["data"]


@pytest.mark.parametrize(
    "fields", [{"at_users": ["wx-alice"]}, {"at_users": ["r1"]}, {"at_users": ["all"]}, {"all": True}, {"all": "1"}]
)
def test_the_owner_the_robot_and_everybody_are_mentions(alice, group, fields):
    receive_group_message("在吗", **fields)
    [mention] = mentions(alice)
    assert (mention["msg_content"], mention["group_name"], mention["status"]) == ("在吗", "好群", 0)


def test_the_owner_in_wechat_is_an_owner_too(alice, group):
    Group.objects.update(wechat_owner_code="wx-owner")
    receive_group_message(at_users=["wx-owner"])
    assert len(mentions(alice)) == 1


@pytest.mark.parametrize(
    "fields",
    [{}, {"at_users": []}, {"at_users": ["carol"]}, {"at_users": 5}, {"at_users": {"wx-alice": 1}}, {"all": "no"}],
)
def test_any_other_message_mentions_nobody_and_is_stored(alice, group, fields):
    receive_group_message(**fields)
    assert mentions(alice) == []
    assert GroupMessage.objects.count() == 1


def test_the_robots_own_messages_are_no_mentions(alice, group):
    receive_group_message(at_users=["all"], by="r1")
    receive_group_message(at_users=["all"], is_robot=True)
    assert mentions(alice) == []


def test_the_owner_gets_a_link_by_private_message(alice, group):
    receive_group_message(at_users=["r1"])
    [text] = private_messages_to("wx-alice")
    assert "好群" in text
    assert "/s/" in text


def test_the_owner_is_notified_once_in_five_minutes_per_group(alice, group):
    GroupFactory(code="g2", user=alice, robot=group.robot)
    for code in ("g1", "g1", "g2"):
        receive_group_message(at_users=["r1"], group=code)
    assert len(private_messages_to("wx-alice")) == 2
    Group.objects.update(mention_notified_at=timezone.now() - timedelta(minutes=5))
    receive_group_message(at_users=["r1"])
    assert len(private_messages_to("wx-alice")) == 3


def test_an_owner_who_switched_notifications_off_gets_none_but_finds_the_mention(alice, group):
    assert ApiClient(alice).put("/alt/switch", {"alt_switch": 0})["data"] == 0
    receive_group_message(at_users=["r1"])
    assert private_messages_to("wx-alice") == []
    assert len(mentions(alice)) == 1


def test_a_blocked_owner_is_not_notified(alice, group):
    User.objects.update(blocked_at=timezone.now())
    receive_group_message(at_users=["r1"])
    assert private_messages_to("wx-alice") == []


def test_mentions_are_listed_for_three_days(alice, group):
    receive_group_message(at_users=["r1"])
    Mention.objects.update(mentioned_at=timezone.now() - timedelta(days=3, minutes=1))
    assert mentions(alice) == []


def test_mentions_of_other_peoples_groups_are_not_listed(group):
    receive_group_message(at_users=["r1"])
    assert mentions(UserFactory()) == []


def test_the_list_takes_a_fixed_number_of_queries(alice, group, django_assert_num_queries):
    for _ in range(5):
        receive_group_message(at_users=["r1"])
    client = ApiClient(alice)
    with django_assert_num_queries(1):
        assert len(client.get("/alt_msg")["data"]) == 5


def test_twenty_before_and_twenty_after_are_shown_oldest_first(alice, group):
    start = timezone.now() - timedelta(hours=1)
    for number in range(50):
        at = timezone.localtime(start + timedelta(seconds=number)).strftime("%F %T")
        receive_group_message(str(number), send_time=at, at_users=["r1"] if number == 25 else [])
    assert [row["content"]["content"] for row in context(alice)] == [str(number) for number in range(5, 46)]


SECOND = "2026-11-02 12:00:00"


@pytest.mark.parametrize("at_once", [True, False])
def test_messages_of_one_second_are_in_the_order_of_arrival(alice, group, at_once):
    events = [group_message(str(n), send_time=SECOND, at_users=["r1"] if n == 15 else []) for n in range(30)]
    for batch in [events] if at_once else [[event] for event in events]:
        gateway_sends(*batch)
    assert [row["content"]["content"] for row in context(alice)] == [str(n) for n in range(30)]


def test_twenty_before_and_after_are_the_nearest_by_arrival_in_a_crowded_second(alice, group):
    gateway_sends(*(group_message(str(n), send_time=SECOND, at_users=["r1"] if n == 40 else []) for n in range(80)))
    assert [row["content"]["content"] for row in context(alice)] == [str(n) for n in range(20, 61)]


def test_mentions_of_one_second_are_listed_newest_first_by_arrival(alice, group):
    now = timezone.localtime().strftime("%F %T")
    gateway_sends(*(group_message(str(n), send_time=now, at_users=["r1"]) for n in range(20)))
    assert [row["msg_content"] for row in mentions(alice)] == [str(n) for n in range(19, -1, -1)]


@pytest.mark.parametrize("numbers", [(0, 1), (4095, 4096), (2**31, 2**31 + 1), (2**59 - 1, 2**59)])
def test_ids_sort_by_arrival_however_many_came(numbers):
    first, second = (messages.id_by_arrival(number) for number in numbers)
    assert str(first) < str(second)
    assert (first.version, first.variant) == (8, uuid.RFC_4122)


def test_reading_the_context_marks_the_mention_read(alice, group):
    receive_group_message(at_users=["r1"])
    assert mentions(alice)[0]["status"] == 0
    context(alice)
    assert mentions(alice)[0]["status"] == 1


def test_messages_of_the_robot_and_the_owner_are_marked(alice, group):
    for by in ("bob", "wx-alice", "r1"):
        receive_group_message(by=by, at_users=["r1"] if by == "bob" else [])
    assert [(row["mem_code"], row["is_master"]) for row in context(alice)] == [
        ("bob", False),
        ("wx-alice", True),
        ("r1", True),
    ]


def test_the_context_contains_the_mention_and_its_sender_under_the_requested_id(alice, group):
    receive_group_message("早", by="carol")
    receive_group_message("在吗", by="bob", at_users=["r1"])
    message_id = mentions(alice)[0]["msg_id"]
    around = ApiClient(alice).get(f"/groups/g1/msg/{message_id}/context")["data"]
    assert [(row["mem_code"], row["id"] == message_id) for row in around] == [("carol", False), ("bob", True)]
    assert {row["id"] for row in around} == {str(pk) for pk in GroupMessage.objects.values_list("pk", flat=True)}


@pytest.mark.parametrize("place", ["content", "url"])
def test_a_picture_is_shown_from_either_place_of_its_address(alice, group, place):
    receive_group_message(None, at_users=["r1"], **{"type": 8, place: "http://e.com/p.png"})
    content = context(alice)[0]["content"]
    assert (content["content"], content["url"]) == ("http://e.com/p.png", "http://e.com/p.png")
    assert mentions(alice)[0]["msg_content"] == "[图片]"


def test_a_picture_stored_by_an_earlier_version_is_shown_too(alice, group):
    receive_group_message("x", at_users=["r1"])
    GroupMessage.objects.update(content={"type": 8, "content": None, "url": "http://e.com/p.png"})
    assert context(alice)[0]["content"]["content"] == "http://e.com/p.png"


def test_a_message_that_is_no_text_is_listed_by_its_kind_and_title(alice, group):
    receive_group_message("<msg/>", at_users=["r1"], type=11, title="小店")
    assert mentions(alice)[0]["msg_content"] == "[小程序] 小店"


def test_a_text_without_content_is_empty_and_not_null(alice, group):
    receive_group_message(None, at_users=["r1"])
    assert context(alice)[0]["content"]["content"] == ""


def test_a_member_is_shown_by_name_and_picture(alice, group):
    body = {"group_id": "g1", "user_id": "bob", "nickname": "鲍勃", "avatar": "http://e.com/b.png"}
    gateway_sends(("join_group", body))
    receive_group_message(at_users=["r1"])
    [shown] = context(alice)
    assert (shown["nickname"], shown["head_url"]) == ("鲍勃", "http://e.com/b.png")


def test_the_context_in_another_users_group_is_not_found(group):
    receive_group_message(at_users=["r1"])
    mention = Mention.objects.get()
    assert ApiClient(UserFactory()).get(f"/groups/g1/msg/{mention.pk}/context")["code"] == 1404


INVALID = [
    {"type": "3", "voice_time": "12"},
    {"type": [3], "voice_time": {"a": 1}, "title": 5, "desc": True, "url": ["x"]},
    {"type": 10**30, "voice_time": -1, "content": {"a": "b"}},
    {"type": 3.5, "content": None, "title": "t" * 100_000},
    {"content": "a\x00b\ud800c", "url": "u" * 5000},
    {"type": True, "content": 12, "desc": 1.5},
]


@pytest.mark.parametrize("fields", INVALID)
def test_the_context_keeps_its_types_whatever_the_gateway_sends(alice, group, fields):
    receive_group_message(at_users=["r1"], **fields)
    [shown] = context(alice)
    content = shown["content"]
    assert list(content) == ["type", "content", "title", "desc", "url", "voice_time"]
    for name in ("type", "voice_time"):
        assert content[name] is None or type(content[name]) is int
    for name in ("content", "title", "desc", "url"):
        assert content[name] is None or type(content[name]) is str


def test_digits_for_a_number_are_the_number(alice, group):
    receive_group_message(at_users=["r1"], type="34", voice_time="12")
    content = context(alice)[0]["content"]
    assert (content["type"], content["voice_time"]) == (34, 12)


def test_a_message_reported_twice_is_stored_once(alice, group):
    command, body = group_message(at_users=["r1"])
    gateway_sends((command, body))
    gateway_sends((command, body))
    assert len(mentions(alice)) == 1
    assert GatewayEvent.objects.latest("id").note == "消息已收到过"


@pytest.mark.parametrize(
    "moment", ["0001-01-01 00:00:00", "1900-01-01 00:00:00", "x", "9" * 60, "2026-02-30 00:00:00"]
)
def test_a_message_with_an_invalid_time_is_ignored_with_the_reason(group, moment):
    receive_group_message(send_time=moment)
    assert "send_time" in GatewayEvent.objects.get().note


def test_a_time_in_the_future_counts_as_now(group):
    receive_group_message(send_time="2999-01-01 00:00:00")
    assert GroupMessage.objects.get().sent_at <= timezone.now()


def test_messages_of_a_group_that_is_not_served_are_ignored(alice, group):
    Group.objects.update(cancelled_at=timezone.now(), cancel_reason=3)
    receive_group_message()
    assert GroupMessage.objects.count() == 0
    assert GatewayEvent.objects.get().status == GatewayEvent.Status.IGNORED


def reply(user: User, **fields) -> int:
    body = {"group_code": "g1", "mem_code": "bob", "content": "在的", "type": 3}
    return ApiClient(user).post("/alt_msg/reply", body | fields)["code"]


def test_a_reply_is_sent_to_the_group_and_mentions_the_member(alice, group):
    receive_group_message(at_users=["r1"])
    assert reply(alice) == 1200
    message = OutboxMessage.objects.get(group_code="g1")
    assert (message.content["content"], message.mentions) == ("在的", ["bob"])


def test_a_reply_is_a_text(alice, group):
    receive_group_message(at_users=["r1"])
    assert reply(alice, type=8) == 1403


def test_a_reply_to_an_unknown_member_is_not_found(alice, group):
    assert reply(alice) == 1404


def test_a_reply_with_a_sensitive_word_is_refused(alice, group):
    receive_group_message(at_users=["r1"])
    add_words(["赌博"])
    assert reply(alice, content="来 赌 博") == 2003
    assert messages_to() == []


def test_without_the_robot_in_the_group_a_reply_is_not_found(alice, group):
    receive_group_message(at_users=["r1"])
    Group.objects.update(robot_is_in=False)
    assert reply(alice) == 1404


def test_messages_are_deleted_after_a_week_with_their_mentions(alice, group):
    receive_group_message(at_users=["r1"])
    receive_group_message(at_users=["r1"])
    recent = GroupMessage.objects.first()
    GroupMessage.objects.exclude(pk=recent.pk).update(sent_at=timezone.now() - timedelta(days=7, minutes=1))
    assert forget_old_messages() == 1
    assert list(Mention.objects.values_list("pk", flat=True)) == [recent.pk]


def test_the_context_reads_only_messages_near_the_mention(alice, group):
    receive_group_message("在吗", at_users=["wx-alice"])
    with CaptureQueriesContext(connection) as queries, connection.cursor() as cursor:
        context(alice)
        around = [query["sql"] for query in queries if query["sql"].endswith("LIMIT 20")]
        cursor.execute(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off"
        )
        for sql in around:
            cursor.execute(f"EXPLAIN {sql}")
            bounds = [line for (line,) in cursor.fetchall() if "Index Cond" in line]
            assert len(around) == 2
            assert "sent_at" in bounds[0]
