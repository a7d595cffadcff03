"""Completion of a profile: only the key in the robot's link completes it."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from accounts.models import CompletionKey, User
from config.models import Scope, ShortLink
from config.platform.cache import redis
from config.site.short_links import hash_of
from earnings.models import LedgerTransaction
from feedback.models import Conversation
from robots.models import OutboxMessage, Scan
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.entry_points import gateway_sends, key_with, private_messages_to
from tests.support.private_messages import receive_private_message

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("enforced_auth", "sandbox")]


@pytest.fixture
def contact() -> User:
    """A user who added a robot and received the completion link."""
    RobotFactory(code="r1")
    gateway_sends(("robot_added", {"robot_id": "r1", "user_id": "wx-contact", "nickname": "小维"}))
    return User.objects.get(code="wx-contact")


def key_in(text: str) -> str:
    """Return the completion key in the page to which the link of a robot's message leads."""
    address = Client().get(f"/s/{text.rsplit('/s/', 1)[1]}")["Location"]
    return address.partition("?userId=")[2]


def phone(name: str) -> Client:
    client = Client()
    client.get("/wechat/user_info", {"app_id": "sandbox", "code": name})
    return client


def complete(browser: Client, reference: object, name: str, **sent: Any) -> dict[str, Any]:
    profile = {
        "union_id": f"union-{name}",
        "open_id": "open-sent",
        "appid": "sandbox",
        "nick_name": name,
        "head_url": "",
        **sent,
    }
    return browser.put(f"/user/{reference}", profile, content_type="application/json").json()


def test_the_robots_link_completes_the_profile_of_its_receiver(contact):
    assert complete(phone("contact"), key_in(private_messages_to("wx-contact")[0]), "contact")["code"] == 1200
    contact.refresh_from_db()
    assert (contact.union_id, contact.open_id, contact.app_id) == ("union-contact", "open-contact", "sandbox")


@pytest.mark.parametrize("name", ["pk", "code"])
def test_an_id_or_a_code_completes_nobodys_profile(contact, name):
    refused = complete(phone("mallory"), getattr(contact, name), "mallory")
    contact.refresh_from_db()
    assert (refused["code"], contact.union_id, LedgerTransaction.objects.count()) == (1404, None, 0)


def test_unknown_completed_and_other_users_get_the_same_answer(contact):
    UserFactory(code="wx-taken", union_id="union-taken")
    mallory = phone("mallory")
    answers = [
        complete(mallory, reference, "mallory")
        for reference in ("wx-nobody", "wx-taken", "wx-contact", contact.pk, "x" * 32)
    ]
    assert answers == [answers[0]] * 5
    assert "主页" in answers[0]["description"]


def test_a_used_key_is_2200_for_its_owner_and_1404_for_all_others(contact):
    key = key_in(private_messages_to("wx-contact")[0])
    complete(phone("contact"), key, "contact")
    assert complete(phone("contact"), key, "contact")["code"] == 2200
    assert complete(phone("mallory"), key, "mallory")["code"] == 1404


def test_a_key_expires_after_thirty_days(contact):
    key = key_in(private_messages_to("wx-contact")[0])
    with time_machine.travel(timezone.now() + timedelta(days=30, seconds=1)):
        assert complete(phone("contact"), key, "contact")["code"] == 1404


@pytest.mark.parametrize("text", ["1", "主页", "我的主页", " 首页 "])
def test_a_newcomer_who_asks_for_the_home_page_gets_a_new_link(contact, text):
    receive_private_message(text, user="wx-contact")
    first, second = (key_in(message) for message in private_messages_to("wx-contact"))
    assert first != second
    with time_machine.travel(timezone.now() + timedelta(days=29)):
        assert complete(phone("contact"), second, "contact")["code"] == 1200
        assert complete(phone("contact"), first, "contact")["code"] == 2200  # the older link is used too


def test_a_newcomer_who_writes_another_text_gets_no_link(contact):
    receive_private_message("你好", user="wx-contact")
    assert len(private_messages_to("wx-contact")) == 1


def test_a_user_with_a_completed_profile_gets_the_plain_home_page(settings):
    RobotFactory(code="r1")
    alice = UserFactory(code="wx-alice")
    GroupFactory(user=alice, wechat_owner_code="wx-alice")
    receive_private_message("主页")
    assert (
        Client().get(f"/s/{private_messages_to('wx-alice')[0].rsplit('/s/', 1)[1]}")["Location"]
        == f"{settings.CLIENT_BASE_URL}/home"
    )


def test_only_the_hash_of_a_key_is_stored(contact):
    key = key_in(private_messages_to("wx-contact")[0])
    kept = CompletionKey.objects.get(user=contact)
    assert key not in (kept.key_hash, str(contact.pk), contact.code)
    assert len(key) == 24  # 144 bits


def test_operators_see_no_link_that_carries_a_key(contact):
    slug = private_messages_to("wx-contact")[0].rsplit("/s/", 1)[1]
    message = OutboxMessage.objects.get()
    pages = [
        Operator().page(f"{path}/") for path in ("config/shortlink", f"robots/outboxmessage/{message.pk}/change")
    ]
    assert ShortLink.objects.get(slug=hash_of(slug)).is_secret
    assert [slug in page for page in pages] == [False, False]
    assert "/s/…" in pages[1]


def test_operators_cannot_find_a_keyed_link_by_its_address(contact):
    link = ShortLink.objects.get()
    assert link.url not in Operator().page(f"config/shortlink/?q={link.slug}")
    assert Operator().sees(f"config/shortlink/{link.pk}/change/") == 302  # redirect to the home page: no such link


def test_a_system_that_may_sign_users_in_completes_them_by_id(contact):
    answer = key_with(Scope.AUTH_ISSUE).put(
        f"/user/{contact.code}",
        {
            "union_id": "union-contact",
            "open_id": "open-contact",
            "appid": "sandbox",
            "nick_name": "",
            "head_url": None,
        },
    )
    contact.refresh_from_db()
    assert (answer["code"], contact.nickname, contact.open_id) == (1200, "小维", "open-contact")


def test_the_open_mode_accepts_the_documented_id(contact, settings):
    settings.ENFORCE_AUTH = False
    assert complete(Client(), contact.pk, "contact")["code"] == 1200


def test_the_id_in_an_invite_link_completes_no_profile(contact):
    RobotFactory()
    scan = {"union_id": "union-friend", "open_id": "", "sharing_user_id": str(contact.pk), "channel": ""}
    friend = phone("friend")
    assert friend.post("/robot/distribution", scan, content_type="application/json").json()["code"] == 1200
    assert complete(friend, contact.pk, "friend")["code"] == 1404


def test_a_scan_stores_the_open_id_of_the_wechat_proof(contact):
    scan = {"union_id": "union-friend", "open_id": "open-of-somebody", "sharing_user_id": "", "channel": ""}
    phone("friend").post("/robot/distribution", scan, content_type="application/json")
    assert Scan.objects.get(union_id="union-friend").open_id == "open-friend"


def test_no_table_and_no_cache_contains_a_key_in_clear(contact):
    key = key_in(private_messages_to("wx-contact")[0])
    complete(phone("contact"), key, "contact")
    kept = [*ShortLink.objects.values_list("slug", "url"), *CompletionKey.objects.values_list("key_hash")]
    assert [row for row in kept if key in " ".join(row)] == []
    assert [name for name in redis().scan_iter("*") if key in name or key in str(redis().type(name))] == []


def test_three_links_are_valid_at_once(contact):
    for _ in range(4):
        receive_private_message("主页", user="wx-contact")
    links = private_messages_to("wx-contact")
    assert ShortLink.objects.count() == CompletionKey.objects.count() == 3
    assert Client().get(f"/s/{links[1].rsplit('/s/', 1)[1]}").json()["code"] == 1404
    assert complete(phone("contact"), key_in(links[2]), "contact")["code"] == 1200


def test_the_link_deletes_the_cookies_of_the_browsers_earlier_user(contact):
    browser = phone("mallory")
    answer = browser.get(f"/s/{private_messages_to('wx-contact')[0].rsplit('/s/', 1)[1]}")
    assert {name: cookie["max-age"] for name, cookie in answer.cookies.items()} == {
        "wechat_proof": 0,
        "union_id": 0,
    }


def test_a_request_for_the_home_page_is_answered_during_a_conversation(contact):
    Conversation.objects.create(user=contact, opened_at=timezone.now(), last_message_at=timezone.now())
    receive_private_message("主页", user="wx-contact")
    assert "/s/" in private_messages_to("wx-contact")[-1]
    assert len(private_messages_to("wx-contact")) == 2


@pytest.mark.parametrize(
    "lookup", ["content__content__regex", "content__content__contains", "user_code__startswith"]
)
def test_no_lookup_of_a_list_reveals_a_link(contact, lookup):
    assert Operator("viewer").sees("robots/outboxmessage/", **{lookup: "/s/"}) == 400
