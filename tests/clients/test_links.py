"""Every link in messages to users leads to an existing page of the client, with parameters that the page reads."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from accounts.referral import invite_link_of
from config.models import ShortLink
from config.site.short_links import SECRET_LENGTH, hash_of
from earnings.tasks import query_payouts, send_payouts
from earnings.withdrawals import approve
from groups.tasks import remind_newcomers
from robots.models import OutboxMessage
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory
from tests.support.entry_points import gateway_sends, private_messages_to
from tests.support.paths import PROJECT
from tests.support.payouts import set_next_state
from tests.support.private_messages import receive_private_message

pytestmark = pytest.mark.django_db
# The pages of the mobile client to which links lead, and the parameters that each of them reads.
PAGES = {
    "/home": {"userId"},
    "/adopt": {"sharing_user_id", "channel"},
    "/createmess": {"task_id"},
    "/altme": set(),
}
ADDRESS = re.compile(r"https?://[^\s，。：）]+")


@pytest.fixture
def alice() -> Any:
    """Alice owns a group in WeChat, was invited through a channel, and completed the profile yesterday."""
    robot = RobotFactory(code="r1")
    yesterday = timezone.now() - timedelta(hours=30)
    user = UserFactory(code="wx-alice", channel="north", phone="13800138000", completed_at=yesterday)
    FriendshipFactory(user=user, robot=robot)
    GroupFactory(code="g1", user=user, robot=robot, wechat_owner_code="wx-alice")
    return user


def adds_a_robot(_: Any) -> str:
    gateway_sends(("robot_added", {"robot_id": "r1", "user_id": "wx-new", "nickname": "新人"}))
    return "wx-new"


def newcomer_asks_for_the_home_page(alice: Any) -> str:
    adds_a_robot(alice)
    receive_private_message("主页", user="wx-new")
    return "wx-new"


def newcomer_asks_for_an_invitation(alice: Any) -> str:
    adds_a_robot(alice)
    GroupFactory(wechat_owner_code="wx-new")
    receive_private_message("3", user="wx-new")
    return "wx-new"


def chooses(choice: str) -> Callable[[Any], str]:
    def choose(alice: Any) -> str:
        receive_private_message(choice)
        return str(alice.code)

    return choose


def drafts_a_mass_message(alice: Any) -> str:
    receive_private_message("7")
    receive_private_message(type=8, content="http://pictures.example.com/1.png")
    return str(alice.code)


def is_mentioned(alice: Any) -> str:
    message = {"group_id": "g1", "user_id": "wx-speaker", "type": 3, "content": "在吗", "message_no": "m1"}
    gateway_sends(("group_message", {**message, "at_users": ["wx-alice"], "is_robot": False, "all": False}))
    return str(alice.code)


def is_reminded_of_apprentices(alice: Any) -> str:
    remind_newcomers()
    return str(alice.code)


def is_reminded_of_groups(alice: Any) -> str:
    bao = UserFactory(code="wx-bao", completed_at=alice.completed_at)
    FriendshipFactory(user=bao)
    remind_newcomers()
    return "wx-bao"


CLIENT_LINKS = [
    adds_a_robot,
    newcomer_asks_for_the_home_page,
    newcomer_asks_for_an_invitation,
    chooses("1"),
    chooses("3"),
    drafts_a_mass_message,
    is_mentioned,
    is_reminded_of_apprentices,
    is_reminded_of_groups,
]


def followed(text: str) -> str:
    """Return the address to which the link in a text leads in the end."""
    address = ADDRESS.findall(text)[-1]
    path = urlsplit(address).path
    return Client().get(path)["Location"] if path.startswith("/s/") else address


@pytest.mark.parametrize("happens", CLIENT_LINKS, ids=lambda one: one.__name__)
def test_a_link_to_the_client_leads_to_one_of_its_pages(alice: Any, happens: Callable[[Any], str]):
    address = followed(private_messages_to(happens(alice))[-1])
    base, parts = urlsplit(settings.CLIENT_BASE_URL), urlsplit(address)
    page = parts.path.removeprefix(base.path)
    assert (parts.scheme, parts.netloc, parts.path.startswith(base.path)) == (base.scheme, base.netloc, True)
    assert page in PAGES
    assert set(parse_qs(parts.query)) <= PAGES[page]


def test_an_invitation_carries_the_inviter_and_their_channel(alice: Any):
    query = parse_qs(urlsplit(followed(invite_link_of(alice))).query)
    assert query == {"sharing_user_id": [str(alice.pk)], "channel": ["north"]}


def test_a_payout_that_waits_leads_to_the_page_that_confirms_it(alice: Any, sandbox: Any):
    set_next_state(sandbox, "WAIT_USER_CONFIRM")
    credit(alice, "20")
    withdrawal = requested_withdrawal(alice)
    approve([withdrawal.pk], by="root", at=timezone.now())
    send_payouts()
    query_payouts()
    address = followed(private_messages_to("wx-alice")[-1])
    assert address == f"{settings.PUBLIC_BASE_URL}/payouts/{withdrawal.pk}/confirm"
    assert (
        Client(headers={"User-Agent": "MicroMessenger"}).get(urlsplit(address).path).status_code == 302
    )  # to WeChat


def test_all_links_of_the_outbox_were_followed(alice: Any):
    """No link that is made in these ways is left out above: each short link there is has been sent to somebody."""
    for happens in CLIENT_LINKS[:-2]:
        happens(alice)
    texts = " ".join(str(content) for content in OutboxMessage.objects.values_list("content", flat=True))
    kept = {link.slug for link in ShortLink.objects.all()}
    sent = set(re.findall(r"/s/([\w-]+)", texts))
    assert kept == {hash_of(slug) if len(slug) == SECRET_LENGTH else slug for slug in sent}


def test_one_module_knows_the_addresses_of_the_client():
    sources = [
        path
        for app in settings.LOCAL_APPS
        for path in (PROJECT / app).rglob("*.py")
        if path.parent.name != "migrations"
    ]
    knowing = {path.relative_to(PROJECT).as_posix() for path in sources if "CLIENT_BASE_URL" in path.read_text()}
    assert knowing == {
        "config/site/client_pages.py",
        "config/settings.py",
        "config/checks/__init__.py",
        "config/checks/addresses.py",
    }


def test_every_shortened_link_has_a_case_here():
    sources = [
        path
        for app in settings.LOCAL_APPS
        for path in (PROJECT / app).rglob("*.py")
        if path.parent.name != "migrations"
    ]
    shortening = {path.relative_to(PROJECT).as_posix() for path in sources if "links.shorten" in path.read_text()}
    assert shortening == {
        "accounts/completion.py",
        "accounts/referral.py",
        "config/site/short_link_views.py",  # whatever a caller asks for
        "earnings/confirmation.py",
        "groups/menu.py",
        "groups/mentions.py",
        "launches/mass_message_drafts.py",
    }
