"""Operators are never treated as users, even with a gateway code; deactivated users cannot complete a profile."""

import pytest
from django.utils import timezone

from accounts.models import User
from config.models import Scope
from earnings.models import LedgerTransaction
from feedback.models import Conversation
from robots.models import Scan
from tests.factories.people import FriendshipFactory, RobotFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.customer_service import call_back
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk() -> User:
    """An operator who also added a robot."""
    return UserFactory(username="clerk", is_staff=True, code="wx-clerk", union_id="union-clerk")


def scan(union_id: str, inviter: object) -> dict:
    page = {"open_id": "open-new", "union_id": union_id, "sharing_user_id": str(inviter), "channel": ""}
    return ApiClient().post("/robot/distribution", page)


def complete(reference: object, union_id: str = "union-new") -> dict:
    body = {"union_id": union_id, "open_id": "open-new", "appid": "sandbox", "nick_name": "新", "head_url": ""}
    return ApiClient().put(f"/user/{reference}", body)


@pytest.mark.parametrize("name", ["pk", "code"])
def test_an_operator_is_not_found_for_blocking(clerk, name):
    answer = key_with(Scope.USERS_BLOCK).put(f"/users/{getattr(clerk, name)}/block")
    unknown = key_with(Scope.USERS_BLOCK).put("/users/wx-nobody/block")
    clerk.refresh_from_db()
    assert (answer["code"], answer, clerk.blocked_at) == (1404, unknown, None)


def test_an_operator_is_not_blocked_in_the_admin(clerk):
    page = Operator().act("accounts/user", "block", clerk, reason="作弊")
    clerk.refresh_from_db()
    assert "1 条没有变化：已经是封禁状态，或是运营人员。" in page
    assert clerk.blocked_at is None


@pytest.mark.parametrize("name", ["pk", "code"])
def test_an_operator_becomes_nobodys_inviter(clerk, name):
    RobotFactory()
    assert scan("union-new", getattr(clerk, name))["code"] == 1200
    assert Scan.objects.get(union_id="union-new").inviter is None


@pytest.mark.parametrize("change", [{"is_staff": True}, {"is_active": False}], ids=str)
def test_an_inviter_who_became_an_operator_or_inactive_gets_no_apprentice(change):
    RobotFactory()
    inviter, newcomer = UserFactory(), UserFactory(union_id=None, completed_at=None)
    scan("union-new", inviter.pk)
    User.objects.filter(pk=inviter.pk).update(**change)
    assert complete(newcomer.pk)["code"] == 1200
    newcomer.refresh_from_db()
    assert newcomer.inviter is None


def test_an_operator_cannot_sign_in_as_a_user(clerk):
    assert ApiClient().post("/auth", {"union_id": "union-clerk"})["code"] == 1401
    assert ApiClient().get("/users/union-clerk/registered")["data"] is False


def test_a_token_from_before_a_user_became_an_operator_is_invalid():
    alice = UserFactory()
    client = ApiClient(alice)
    assert client.get("/auth/me")["me"]["user_id"] == str(alice.pk)
    User.objects.filter(pk=alice.pk).update(is_staff=True)
    assert client.get("/auth/me")["code"] == 1401


def test_customer_service_opens_no_conversation_with_an_operator(clerk):
    FriendshipFactory(user=clerk)
    assert call_back("CONVERSATION_CREATE", user=str(clerk.pk)) == 1200
    assert not Conversation.objects.exists()


@pytest.mark.parametrize("change", [{"is_staff": True}, {"is_active": False}], ids=str)
@pytest.mark.parametrize("name", ["pk", "code"])
def test_deactivated_users_and_operators_complete_no_profile(change, name):
    newcomer = UserFactory(union_id=None, completed_at=None, **change)
    assert complete(getattr(newcomer, name))["code"] == 1404
    newcomer.refresh_from_db()
    assert (newcomer.completed_at, LedgerTransaction.objects.count()) == (None, 0)


def test_a_deactivated_user_gets_no_red_packet():
    alice = UserFactory()
    client = ApiClient(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert client.get("/receive/redpacket")["code"] == 1401
    assert not LedgerTransaction.objects.exists()


def test_a_deactivated_user_can_be_blocked():
    alice = UserFactory(is_active=False)
    assert key_with(Scope.USERS_BLOCK).put(f"/users/{alice.pk}/block")["code"] == 1200
    alice.refresh_from_db()
    assert alice.blocked_at <= timezone.now()
