"""Replies to keywords in groups: sent at once, once, and counted exactly."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts import blocking
from accounts.models import User
from groups import cancelling
from groups.models import CancelReason, Group, GroupMessage
from integrations.gateway import claiming, inbox
from integrations.models import GatewayEvent
from integrations.tasks import handle_events
from keywords.models import GroupKeyword, KeywordBatch, KeywordReply
from keywords.tasks import forget_old_replies
from robots.models import OutboxMessage
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import gateway_sends
from tests.support.group_messages import group_message, messages_to, receive_group_message

pytestmark = pytest.mark.django_db


@pytest.fixture
def group(alice) -> Group:
    return GroupFactory(code="g1", user=alice, robot=RobotFactory(code="r1"))


def answer_to(*keywords: str, reply: str = "十元", user: User, groups: str = "g1") -> str:
    body = {"group_codes": groups, "keywords": list(keywords), "reply_content": reply}
    assert ApiClient(user).post("/keywords", body)["code"] == 1200
    return str(KeywordBatch.objects.latest("created_at").pk)


def ten_seconds_later() -> None:
    KeywordReply.objects.update(replied_at=timezone.now() - timedelta(seconds=10))


def counted() -> int:
    return KeywordBatch.objects.get().trigger_count


@pytest.mark.parametrize("text", ["价格", "请问价格多少", "价格价格"])
def test_a_text_with_a_keyword_gets_the_reply(alice, group, text):
    answer_to("价格", user=alice)
    receive_group_message(text)
    message = OutboxMessage.objects.get()
    assert (message.group_code, message.content["content"], message.mentions) == ("g1", "十元", ["bob"])
    assert counted() == 1


@pytest.mark.parametrize("text", ["价", "格价", "", "价 格", None, 5, {"a": "价格"}, ["价格"]])
def test_a_text_without_the_keyword_gets_no_reply(alice, group, text):
    answer_to("价格", user=alice)
    receive_group_message(text)
    assert (messages_to(), counted()) == ([], 0)


def test_case_makes_no_difference(alice, group):
    answer_to("Price", user=alice)
    receive_group_message("the PRICE please")
    assert messages_to() == ["十元"]


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("❤️", "爱你❤"),
        ("❤", "爱你❤️"),
        ("ＯＫ价", "OK价多少"),
        ("OK价", "ｏｋ价多少"),
        ("拼车\ufeff", "拼车吗"),
        ("砍价\ufe0f", "来砍价"),
        ("价格", "价\u200b格"),
        ("1️⃣", "选1️⃣"),
        ("\u00c5", "A\u030a"),
    ],
)
def test_width_and_invisible_characters_make_no_difference(alice, group, keyword, text):
    answer_to(keyword, user=alice)
    receive_group_message(text)
    assert messages_to() == ["十元"]


DASHES = "- - - - - - - - - - - - - - -"


@pytest.mark.parametrize(
    "text",
    [
        f"「张三：价格多少」\n{DASHES}\n不知道",
        f"「机器人：价格是十元」\n{DASHES}\n谢谢",
        f"「张三：\n价格\n多少」\r\n{DASHES}\r\n我也想问",
        f"「李四：「张三：价格」\n{DASHES}\n价格呢」\n{DASHES}\n嗯",
        "「张三：价格」\n———————\n好",
        f"「张三：价格」\n{DASHES}",
    ],
)
def test_a_keyword_inside_a_quotation_is_not_answered(alice, group, text):
    answer_to("价格", user=alice)
    receive_group_message(text)
    assert (messages_to(), counted()) == ([], 0)


@pytest.mark.parametrize(
    "text",
    [
        f"「张三：你好」\n{DASHES}\n价格多少",
        "「价格」",
        "我想问「价格」\n还有地址",
        f"价格\n{DASHES}\n多少",
        "「张三：你好」\n--\n价格",
    ],
)
def test_a_keyword_beside_a_quotation_is_answered(alice, group, text):
    answer_to("价格", user=alice)
    receive_group_message(text)
    assert messages_to() == ["十元"]


def test_two_keywords_of_a_batch_get_one_reply(alice, group):
    answer_to("价格", "多少钱", user=alice)
    receive_group_message("价格多少钱")
    assert (messages_to(), counted()) == (["十元"], 1)


def test_the_batch_with_the_longest_keyword_answers_first(alice, group):
    answer_to("价", reply="short", user=alice)
    answer_to("价格表", reply="longest", user=alice)
    answer_to("价格", reply="longer", user=alice)
    receive_group_message("看看价格表")
    assert messages_to() == ["longest", "longer", "short"]


def test_a_speaker_gets_one_reply_in_ten_seconds(alice, group):
    answer_to("价格", user=alice)
    receive_group_message("价格")
    receive_group_message("价格")
    receive_group_message("价格", by="carol")
    assert (len(messages_to()), counted()) == (2, 2)
    ten_seconds_later()
    receive_group_message("价格")
    assert (len(messages_to()), counted()) == (3, 3)


def test_replies_of_a_backlog_come_in_the_order_in_which_people_spoke(alice, group):
    answer_to("价格", user=alice)
    start = timezone.now() - timedelta(minutes=1)
    for second, speaker in ((0, "bob"), (5, "carol"), (12, "bob"), (14, "dave")):
        command, body = group_message("价格", by=speaker)
        event = {"event_id": f"e{second}", "command": command, "body": body}
        inbox.store([event], at=start + timedelta(seconds=second))
    handle_events()
    mentions = OutboxMessage.objects.order_by("id").values_list("mentions", flat=True)
    assert list(mentions) == [["bob"], ["carol"], ["bob"], ["dave"]]


def test_every_batch_has_its_own_ten_seconds(alice, group):
    answer_to("价格", reply="a", user=alice)
    answer_to("地址", reply="b", user=alice)
    receive_group_message("价格")
    receive_group_message("价格地址")
    assert messages_to() == ["a", "b"]


def test_one_speaker_in_two_groups_at_once_gets_one_reply(alice, group):
    GroupFactory(code="g2", user=alice)
    answer_to("价格", user=alice, groups="g1,g2")
    gateway_sends(group_message("价格"), group_message("价格", group="g2"))
    assert (len(messages_to("g1")) + len(messages_to("g2")), counted()) == (1, 1)


def test_a_message_reported_twice_is_answered_once(alice, group):
    answer_to("价格", user=alice)
    command, body = group_message("价格")
    gateway_sends((command, body))
    ten_seconds_later()
    gateway_sends((command, body))
    assert counted() == 1


@pytest.mark.parametrize(
    "fields", [{"by": "r1"}, {"is_robot": True}, {"is_robot": "1"}, {"type": 8}, {"type": "x"}, {"type": None}]
)
def test_only_a_persons_text_is_answered(alice, group, fields):
    answer_to("价格", user=alice)
    receive_group_message("价格", **fields)
    assert messages_to() == []


def test_the_owner_is_a_person_too(alice, group):
    answer_to("价格", user=alice)
    receive_group_message("价格", by="wx-alice", type="3")
    assert messages_to() == ["十元"]


def test_other_groups_are_not_answered(alice, group):
    GroupFactory(code="g2", user=alice)
    answer_to("价格", user=alice)
    receive_group_message("价格", group="g2")
    assert messages_to("g2") == []


@pytest.mark.parametrize(("at_users", "answered"), [(["r1"], 1), ([], 0), (["wx-alice"], 0), ("r1", 0), (None, 0)])
def test_with_the_setting_only_texts_that_mention_the_robot_are_answered(
    alice, group, settings, at_users, answered
):
    settings.KEYWORD_NEEDS_MENTION = True
    answer_to("价格", user=alice)
    receive_group_message("价格", at_users=at_users)
    assert len(messages_to()) == answered


def test_an_edit_takes_effect_at_once(alice, group):
    batch_id = answer_to("价格", user=alice)
    receive_group_message("价格")
    body = {"id": batch_id, "group_codes": ["g1"], "keywords": ["地址"], "reply_content": "一号"}
    assert ApiClient(alice).put("/keywords", body)["code"] == 1200
    ten_seconds_later()
    receive_group_message("价格")
    receive_group_message("地址")
    assert messages_to() == ["十元", "一号"]


def test_a_deleted_batch_sends_no_reply(alice, group):
    batch_id = answer_to("价格", user=alice)
    receive_group_message("别的")
    ApiClient(alice).delete("/keywords", {"id": batch_id})
    receive_group_message("价格")
    assert messages_to() == []


def test_a_cancelled_group_gets_no_reply(alice, group):
    answer_to("价格", user=alice)
    receive_group_message("别的")
    cancelling.cancel_groups(group_ids=[group.pk], reason=CancelReason.OPERATOR, by="root", at=timezone.now())
    receive_group_message("价格")
    assert messages_to() == []


def test_keywords_of_a_former_owner_in_wechat_get_no_reply(alice, group):
    mallory = UserFactory(code="wx-mallory")
    Group.objects.update(wechat_owner_code="wx-mallory")
    answer_to("价格", user=mallory)
    Group.objects.update(wechat_owner_code="wx-alice")
    receive_group_message("价格")
    assert (messages_to(), counted()) == ([], 0)


def test_a_new_owner_in_wechat_sets_the_same_keyword(alice, group):
    mallory = UserFactory(code="wx-mallory")
    Group.objects.update(wechat_owner_code="wx-mallory")
    answer_to("价格", reply="mallory's", user=mallory)
    gateway_sends(("group_info", {"id": "g1", "admin_user_id": "wx-new_owner"}))
    assert ApiClient(mallory).get("/keywords")["data"][0]["group_codes"] == []
    answer_to("价格", user=alice)
    receive_group_message("价格")
    assert messages_to() == ["十元"]


def test_keywords_of_a_former_owner_do_not_block_the_new_owner(alice, group):
    mallory = UserFactory(code="wx-mallory")
    Group.objects.update(wechat_owner_code="wx-mallory")
    answer_to("价格", user=mallory)
    Group.objects.update(wechat_owner_code="wx-alice")
    answer_to("价格", user=alice)
    receive_group_message("价格")
    assert messages_to() == ["十元"]


def test_the_user_who_added_the_robot_keeps_the_keywords_whoever_owns_the_group(alice, group):
    answer_to("价格", user=alice)
    gateway_sends(("group_info", {"id": "g1", "admin_user_id": "wx-new_owner"}))
    receive_group_message("价格")
    assert messages_to() == ["十元"]


def test_an_owner_in_wechat_keeps_the_keywords_while_owning_the_group(group):
    new_owner = UserFactory(code="wx-new_owner")
    Group.objects.update(wechat_owner_code="wx-new_owner")
    answer_to("价格", user=new_owner)
    gateway_sends(("group_info", {"id": "g1", "admin_user_id": "wx-new_owner", "name": "新名字"}))
    receive_group_message("价格")
    assert messages_to() == ["十元"]


def test_keywords_of_a_blocked_user_get_no_reply_until_the_user_is_unblocked(alice, group):
    answer_to("价格", user=alice)
    blocking.block(user=alice, by="root", reason="x", at=timezone.now())
    receive_group_message("价格")
    assert messages_to() == []
    blocking.unblock(user=alice, at=timezone.now())
    receive_group_message("价格")
    assert messages_to() == ["十元"]


def test_a_group_that_is_bound_again_has_no_keywords(alice, group):
    answer_to("价格", user=alice)
    cancelling.cancel_groups(group_ids=[group.pk], reason=CancelReason.ROBOT_KICKED, by="x", at=timezone.now())
    GroupFactory(code="g1", user=alice)
    receive_group_message("价格")
    assert messages_to() == []


def test_an_edit_of_another_process_is_seen_within_two_seconds(alice, group):
    receive_group_message("别的")  # this process has just read the keywords
    batch = KeywordBatch.objects.create(user=alice, keywords=["价格"], reply_content="x", created_at=timezone.now())
    GroupKeyword.objects.create(batch=batch, group=group, folded="价格")
    deadline = time.monotonic() + 2
    while not messages_to() and time.monotonic() < deadline:
        receive_group_message("价格")
        time.sleep(0.05)
    assert messages_to() == ["x"]


def test_old_times_of_replies_are_deleted(alice, group):
    answer_to("价格", user=alice)
    receive_group_message("价格")
    assert forget_old_replies() == 0
    KeywordReply.objects.update(replied_at=timezone.now() - timedelta(days=2))
    assert forget_old_replies() == 1


def test_a_message_takes_a_fixed_number_of_queries_however_many_keywords(
    alice, group, django_assert_max_num_queries
):
    answer_to(*(f"词{n}" for n in range(50)), user=alice)
    events = [{"event_id": "e1", "command": "group_message", "body": group_message("别的")[1]}]
    with django_assert_max_num_queries(
        17
    ):  # store 3, claim 4, groups, insert, search, finish; and the next claim, which finds nothing
        inbox.store(events, at=timezone.now())
        handle_events()


def handle_at_once(codes: list[str], *, turns: int, speaker: str) -> None:
    """Send both keywords to every group in each turn, while four workers handle a few messages at a time."""
    events = [
        {
            "event_id": f"{turn}-{code}",
            "command": "group_message",
            "body": group_message("地址价格", group=code, by=speaker.format(turn=turn, code=code))[1],
        }
        for turn in range(turns)
        for code in codes
    ]
    inbox.store(events, at=timezone.now())

    def work(_: int) -> int:
        try:
            return handle_events()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(work, range(4))) == len(events)
    assert set(GatewayEvent.objects.values_list("status", "attempts")) == {(GatewayEvent.Status.HANDLED, 1)}


@pytest.fixture
def eight_groups(monkeypatch) -> list[str]:
    """Return the codes of eight groups with two batches of keywords each; a worker leases five messages at a time."""
    monkeypatch.setattr(claiming, "BATCH", 5)
    alice = UserFactory(code="wx-alice")
    codes = [GroupFactory(user=alice).code for _ in range(8)]
    for keyword in ("价格", "地址"):
        answer_to(keyword, user=alice, groups=",".join(codes))
    return codes


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_replies_are_counted_exactly_by_workers_at_once(eight_groups):
    handle_at_once(eight_groups, turns=6, speaker="{turn}{code}")
    assert list(KeywordBatch.objects.values_list("trigger_count", flat=True)) == [48, 48]
    assert (OutboxMessage.objects.count(), GroupMessage.objects.count()) == (96, 48)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_speaker_handled_by_several_workers_gets_one_reply_of_each_batch(eight_groups):
    handle_at_once(eight_groups, turns=6, speaker="chatterbox")
    assert list(KeywordBatch.objects.values_list("trigger_count", flat=True)) == [1, 1]
    assert (OutboxMessage.objects.count(), GroupMessage.objects.count()) == (2, 48)
