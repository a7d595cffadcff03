"""An account belongs to its owner: a profile is completed with the key in the robot's link, and with nothing else."""

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

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _enforced(settings: Any, sandbox: Any) -> None:
    settings.ENFORCE_AUTH = True


@pytest.fixture
def victim() -> User:
    """Somebody whom a robot met and sent the link."""
    RobotFactory(code="r1")
    gateway_sends(("robot_added", {"robot_id": "r1", "user_id": "wx-victim", "nickname": "小维"}))
    return User.objects.get(code="wx-victim")


def key_in(text: str) -> str:
    """The key in the page to which the link of a robot's message leads."""
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


def test_the_robots_link_completes_the_profile_of_whoever_it_was_sent_to(victim):
    assert complete(phone("victim"), key_in(private_messages_to("wx-victim")[0]), "victim")["code"] == 1200
    victim.refresh_from_db()
    assert (victim.union_id, victim.open_id, victim.app_id) == ("union-victim", "open-victim", "sandbox")


@pytest.mark.parametrize("name", ["pk", "code"])
def test_who_knows_an_id_or_a_code_takes_over_nothing(victim, name):
    refused = complete(phone("mallory"), getattr(victim, name), "mallory")
    victim.refresh_from_db()
    assert (refused["code"], victim.union_id, LedgerTransaction.objects.count()) == (1404, None, 0)


def test_unknown_taken_and_foreign_users_look_alike(victim):
    UserFactory(code="wx-taken", union_id="union-taken")
    mallory = phone("mallory")
    answers = [
        complete(mallory, one, "mallory") for one in ("wx-nobody", "wx-taken", "wx-victim", victim.pk, "x" * 32)
    ]
    assert answers == [answers[0]] * 5
    assert "主页" in answers[0]["description"]


def test_a_used_key_is_2200_for_its_owner_and_unknown_to_everybody_else(victim):
    key = key_in(private_messages_to("wx-victim")[0])
    complete(phone("victim"), key, "victim")
    assert complete(phone("victim"), key, "victim")["code"] == 2200
    assert complete(phone("mallory"), key, "mallory")["code"] == 1404


def test_a_key_expires_after_thirty_days(victim):
    key = key_in(private_messages_to("wx-victim")[0])
    with time_machine.travel(timezone.now() + timedelta(days=30, seconds=1)):
        assert complete(phone("victim"), key, "victim")["code"] == 1404


@pytest.mark.parametrize("words", ["1", "主页", "我的主页", " 首页 "])
def test_a_newcomer_who_asks_for_the_home_page_gets_a_new_link(victim, words):
    receive_private_message(words, user="wx-victim")
    first, second = (key_in(text) for text in private_messages_to("wx-victim"))
    assert first != second
    with time_machine.travel(timezone.now() + timedelta(days=29)):
        assert complete(phone("victim"), second, "victim")["code"] == 1200
        assert complete(phone("victim"), first, "victim")["code"] == 2200  # the older link is opened again


def test_a_newcomer_who_says_something_else_gets_no_link(victim):
    receive_private_message("你好", user="wx-victim")
    assert len(private_messages_to("wx-victim")) == 1


def test_whoever_has_completed_gets_the_plain_home_page(settings):
    RobotFactory(code="r1")
    alice = UserFactory(code="wx-alice")
    GroupFactory(user=alice, wechat_owner_code="wx-alice")
    receive_private_message("主页")
    assert (
        Client().get(f"/s/{private_messages_to('wx-alice')[0].rsplit('/s/', 1)[1]}")["Location"]
        == f"{settings.CLIENT_BASE_URL}/home"
    )


def test_only_the_hash_of_a_key_is_kept_with_the_user(victim):
    key = key_in(private_messages_to("wx-victim")[0])
    kept = CompletionKey.objects.get(user=victim)
    assert key not in (kept.key_hash, str(victim.pk), victim.code)
    assert len(key) == 24  # 144 bits


def test_operators_see_no_link_that_carries_a_key(victim):
    slug = private_messages_to("wx-victim")[0].rsplit("/s/", 1)[1]
    message = OutboxMessage.objects.get()
    pages = [
        Operator().page(f"{where}/") for where in ("config/shortlink", f"robots/outboxmessage/{message.pk}/change")
    ]
    assert ShortLink.objects.get(slug=hash_of(slug)).is_secret
    assert [slug in page for page in pages] == [False, False]
    assert "/s/…" in pages[1]


def test_operators_cannot_find_a_keyed_link_by_its_address(victim):
    link = ShortLink.objects.get()
    assert link.url not in Operator().page(f"config/shortlink/?q={link.slug}")
    assert Operator().sees(f"config/shortlink/{link.pk}/change/") == 302  # back to the start: no such link


def test_a_key_of_a_system_that_may_sign_users_in_names_them_by_id(victim):
    answer = key_with(Scope.AUTH_ISSUE).put(
        f"/user/{victim.code}",
        {
            "union_id": "union-victim",
            "open_id": "open-victim",
            "appid": "sandbox",
            "nick_name": "",
            "head_url": None,
        },
    )
    victim.refresh_from_db()
    assert (answer["code"], victim.nickname, victim.open_id) == (1200, "小维", "open-victim")


def test_the_open_mode_takes_the_documented_id(victim, settings):
    settings.ENFORCE_AUTH = False
    assert complete(Client(), victim.pk, "victim")["code"] == 1200


def test_what_an_invite_link_carries_opens_nothing(victim):
    RobotFactory()
    scan = {"union_id": "union-friend", "open_id": "", "sharing_user_id": str(victim.pk), "channel": ""}
    friend = phone("friend")
    assert friend.post("/robot/distribution", scan, content_type="application/json").json()["code"] == 1200
    assert complete(friend, victim.pk, "friend")["code"] == 1404


def test_a_scan_keeps_the_open_id_that_wechat_vouched_for(victim):
    scan = {"union_id": "union-friend", "open_id": "open-of-somebody", "sharing_user_id": "", "channel": ""}
    phone("friend").post("/robot/distribution", scan, content_type="application/json")
    assert Scan.objects.get(union_id="union-friend").open_id == "open-friend"


def test_no_table_and_no_cache_holds_a_key_in_clear(victim):
    key = key_in(private_messages_to("wx-victim")[0])
    complete(phone("victim"), key, "victim")
    kept = [*ShortLink.objects.values_list("slug", "url"), *CompletionKey.objects.values_list("key_hash")]
    assert [row for row in kept if key in " ".join(row)] == []
    assert [name for name in redis().scan_iter("*") if key in name or key in str(redis().type(name))] == []


def test_three_links_are_valid_at_once(victim):
    for _ in range(4):
        receive_private_message("主页", user="wx-victim")
    links = private_messages_to("wx-victim")
    assert ShortLink.objects.count() == CompletionKey.objects.count() == 3
    assert Client().get(f"/s/{links[1].rsplit('/s/', 1)[1]}").json()["code"] == 1404
    assert complete(phone("victim"), key_in(links[2]), "victim")["code"] == 1200


def test_the_link_makes_the_browser_forget_who_used_it_before(victim):
    browser = phone("mallory")
    answer = browser.get(f"/s/{private_messages_to('wx-victim')[0].rsplit('/s/', 1)[1]}")
    assert {name: cookie["max-age"] for name, cookie in answer.cookies.items()} == {
        "wechat_proof": 0,
        "union_id": 0,
    }


def test_the_home_page_is_asked_for_in_the_midst_of_a_conversation(victim):
    Conversation.objects.create(user=victim, opened_at=timezone.now(), said_at=timezone.now())
    receive_private_message("主页", user="wx-victim")
    assert "/s/" in private_messages_to("wx-victim")[-1]
    assert len(private_messages_to("wx-victim")) == 2


@pytest.mark.parametrize(
    "lookup", ["content__content__regex", "content__content__contains", "user_code__startswith"]
)
def test_no_lookup_of_a_list_spells_out_a_link(victim, lookup):
    assert Operator("viewer").sees("robots/outboxmessage/", **{lookup: "/s/"}) == 400
