"""The private menu: owners of WeChat groups choose by number, and get an explanation for invalid choices."""

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client, TestCase
from django.utils import timezone

from accounts.models import User
from config.models import ShortLink
from config.platform.dates import day_of
from groups.models import Group
from integrations.models import GatewayEvent
from integrations.tasks import handle_events
from launches.models import MassMessageDraft
from robots.models import OutboxMessage, Robot, RobotDay
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory
from tests.support.client import ApiClient
from tests.support.entry_points import private_messages_to
from tests.support.private_messages import last_message_to, receive_private_message

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def robot() -> Robot:
    return RobotFactory(code="r1", name="小助手")


@pytest.fixture(autouse=True)
def alice(robot) -> User:
    user = UserFactory(code="wx-alice")
    FriendshipFactory(user=user, robot=robot)
    GroupFactory(wechat_owner_code="wx-alice")
    return user


def long_address(text: str) -> str:
    return Client().get(f"/s/{text.split('/s/')[1].split()[0]}")["Location"]


@pytest.mark.parametrize("text", ["菜单", " 菜单 "])
def test_the_menu_names_its_seven_choices(text):
    receive_private_message(text)
    reply = last_message_to()
    assert all(f"\n{number} " in reply for number in range(1, 8))
    assert OutboxMessage.objects.get().robot.code == "r1"


def test_one_is_the_home_page(alice, settings):
    receive_private_message("1")
    assert long_address(last_message_to()) == f"{settings.CLIENT_BASE_URL}/home"


def test_two_explains_how_to_bring_a_group():
    receive_private_message("2")
    assert "三步" in last_message_to()


def test_three_is_the_users_own_invitation(alice):
    receive_private_message("3")
    assert long_address(last_message_to()).endswith(f"sharing_user_id={alice.pk}")


def test_three_before_the_profile_is_completed_asks_for_that_first(alice, settings):
    User.objects.filter(pk=alice.pk).update(completed_at=None, union_id=None)
    receive_private_message("3")
    assert "完善资料" in last_message_to()
    assert long_address(last_message_to()).startswith(f"{settings.CLIENT_BASE_URL}/home?userId=")
    assert not ShortLink.objects.filter(url__contains="sharing_user_id").exists()


def test_four_lists_questions_which_numbers_answer():
    receive_private_message("4")
    assert "怎样提现" in last_message_to()
    receive_private_message("2")
    assert "点「提现」" in last_message_to()
    receive_private_message("0")
    assert "7 群发消息" in last_message_to()
    receive_private_message("2")
    assert "三步" in last_message_to()


@pytest.mark.parametrize("text", ["9", "怎么办", "²", "99999999999"])
def test_an_unknown_question_is_answered_with_the_known_numbers(text):
    receive_private_message("4")
    receive_private_message(text)
    assert "1 到 5" in last_message_to()


def test_six_lists_the_remaining_quota_of_the_robots(alice, robot):
    RobotDay.objects.create(robot=robot, day=day_of(timezone.now()), quota=15, bound_count=4)
    FriendshipFactory(user=alice, robot=RobotFactory(name="二号", group_count=28))
    receive_private_message("6")
    assert "「小助手」今天还能带 11 个群" in last_message_to()
    assert "「二号」今天还能带 2 个群" in last_message_to()


def test_a_full_width_number_is_a_choice():
    receive_private_message("２")
    assert "三步" in last_message_to()


@pytest.mark.parametrize("text", ["8", "你好", "0x1", "-1"])
def test_in_the_menu_a_wrong_choice_is_answered_with_the_valid_numbers(text):
    receive_private_message("菜单")
    receive_private_message(text)
    assert "1 到 7" in last_message_to()


def test_outside_the_menu_other_text_gets_one_hint_per_period():
    for text in ("谢谢", "哈哈", "在吗"):
        receive_private_message(text)
    assert ["菜单" in text for text in private_messages_to("wx-alice")] == [True]


@pytest.mark.parametrize("fields", [{"type": 8}, {"type": None}, {"type": 3, "content": {}}, {"type": "x"}])
def test_a_message_that_is_no_text_is_not_understood(fields):
    receive_private_message(**fields)
    assert "没看懂" in last_message_to()


def test_the_state_in_the_menu_is_deleted_after_ten_minutes(alice):
    receive_private_message("4")
    ttl = cache._cache.get_client().ttl(cache.make_key(f"menu:{alice.pk}"))
    assert 590 < ttl <= 600
    cache.delete(f"menu:{alice.pk}")
    receive_private_message("2")
    assert "三步" in last_message_to()


def test_a_user_without_a_wechat_group_gets_no_answer():
    Group.objects.update(wechat_owner_code="wx-somebody")
    for text in ("菜单", "5", "7"):
        receive_private_message(text)
    assert private_messages_to("wx-alice") == []
    assert set(GatewayEvent.objects.values_list("status", flat=True)) == {GatewayEvent.Status.HANDLED}


def test_messages_of_blocked_and_unknown_users_are_ignored():
    User.objects.update(blocked_at=timezone.now())
    receive_private_message("菜单")
    receive_private_message("菜单", user="nobody")
    assert OutboxMessage.objects.count() == 0
    assert set(GatewayEvent.objects.values_list("note", flat=True)) == {"用户未知或已被封"}


def test_without_redis_choices_still_work(settings):
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    receive_private_message("菜单")
    receive_private_message("2")
    assert "三步" in last_message_to()


@pytest.mark.parametrize("kind", [6, 8, 11])
def test_seven_makes_a_draft_of_the_next_message(alice, kind):
    receive_private_message("7")
    assert "10 分钟" in last_message_to()
    receive_private_message(type=kind, title="标题", url="http://e.com/x")
    draft = MassMessageDraft.objects.get()
    assert (draft.user, draft.content["type"], draft.content["url"]) == (alice, kind, "http://e.com/x")
    assert long_address(last_message_to()).endswith(f"/createmess?task_id={draft.pk}")
    assert ApiClient(alice).get(f"/tasks/{draft.pk}")["code"] == 1200


@pytest.mark.parametrize("place", ["content", "url"])
def test_a_pictures_address_is_taken_from_where_the_gateway_puts_it(alice, place):
    receive_private_message("7")
    receive_private_message(type=8, **{"content": "", "url": "", place: "http://e.com/x.png"})
    content = MassMessageDraft.objects.get().content
    assert (content["content"], content["url"]) == ("http://e.com/x.png", "http://e.com/x.png")


def test_an_address_is_taken_before_a_description():
    receive_private_message("7")
    receive_private_message(type=8, content="[图片]", url="http://e.com/x.png")
    assert MassMessageDraft.objects.get().content["content"] == "http://e.com/x.png"


def test_a_mini_program_may_have_its_title_in_its_card():
    receive_private_message("7")
    receive_private_message(type=11, content="<msg><appmsg><title>小店</title></appmsg></msg>")
    assert MassMessageDraft.objects.get().content["content"].startswith("<msg>")


def test_only_the_first_picture_after_seven_becomes_a_draft():
    receive_private_message("7")
    for _ in range(2):
        receive_private_message(type=8, url="http://e.com/x.png")
    assert MassMessageDraft.objects.count() == 1


def test_a_picture_without_choice_seven_is_no_draft():
    receive_private_message(type=8, url="http://e.com/x.png")
    assert MassMessageDraft.objects.count() == 0


@pytest.mark.parametrize("text", ["早上好", "2", "5"])
def test_text_after_seven_is_answered_with_the_types_that_can_be_sent(text):
    receive_private_message("7")
    receive_private_message(text)
    assert "图片、链接或小程序" in last_message_to()
    receive_private_message(type=8, url="http://e.com/x.png")
    assert MassMessageDraft.objects.count() == 1


@pytest.mark.parametrize(
    "fields", [{"type": 8}, {"type": 8, "url": " "}, {"type": 6, "url": "http://e.com"}, {"type": 11}]
)
def test_a_message_that_lacks_a_required_part_is_no_draft(fields):
    receive_private_message("7")
    receive_private_message(**fields)
    assert "不能群发" in last_message_to()
    assert MassMessageDraft.objects.count() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"type": 6, "title": "t", "url": "https://a.com/x y"},
        {"type": 6, "title": "t", "url": "https://me@a.com/"},
        {"type": 6, "title": "t", "url": "weixin://a.com"},
        {"type": 8, "url": "file:///etc/passwd"},
        {"type": 8, "content": "javascript:alert(1)"},
    ],
)
def test_an_address_that_cannot_be_sent_is_answered_with_the_reason(fields):
    receive_private_message("7")
    receive_private_message(**fields)
    assert "这不能群发：" in last_message_to()
    assert "链接" in last_message_to()
    assert MassMessageDraft.objects.count() == 0
    receive_private_message(type=8, url="http://e.com/x.png")
    assert MassMessageDraft.objects.count() == 1


def try_again() -> None:
    GatewayEvent.objects.update(next_attempt_at=timezone.now())
    with TestCase.captureOnCommitCallbacks(execute=True):
        handle_events()


def test_a_picture_whose_draft_fails_at_the_first_attempt_becomes_one_at_the_second(alice):
    """The state in the menu changes together with the other effects of the event, or not at all."""
    receive_private_message("7")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE launches_massmessagedraft ADD CONSTRAINT broken CHECK (false) NOT VALID")
        receive_private_message(type=8, url="http://e.com/x.png")
        cursor.execute("ALTER TABLE launches_massmessagedraft DROP CONSTRAINT broken")
    try_again()
    assert MassMessageDraft.objects.get().content["url"] == "http://e.com/x.png"


def test_a_hint_that_fails_at_the_first_attempt_is_sent_at_the_second():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE robots_outboxmessage ADD CONSTRAINT broken CHECK (false) NOT VALID")
        receive_private_message("谢谢")
        cursor.execute("ALTER TABLE robots_outboxmessage DROP CONSTRAINT broken")
    try_again()
    assert "没看懂" in last_message_to()


@pytest.mark.parametrize(("text", "answer"), [("退出", "已放弃"), ("菜单", "7 群发消息")])
def test_seven_can_be_left(text, answer):
    receive_private_message("7")
    receive_private_message(text)
    assert answer in last_message_to()
    receive_private_message(type=8, url="http://e.com/x.png")
    assert MassMessageDraft.objects.count() == 0
