"""Users: registration by a robot, completion, invitation, blocking."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.blocking import block
from accounts.models import User
from accounts.referral import set_inviter
from config.models import Scope
from earnings.models import Account, EarningsRules, IncomeType, LedgerEntry, LedgerTransaction
from tests.factories.money import available_and_withdrawing, credit, requested_withdrawal
from tests.factories.people import FriendshipFactory, RobotFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.entry_points import gateway_sends, key_with, private_messages_to

pytestmark = pytest.mark.django_db


def contact(**fields) -> User:
    """Create a user who added a robot and has not completed the profile."""
    return UserFactory(union_id=None, open_id="", app_id="", completed_at=None, **fields)


def profile(name: str = "alice") -> dict[str, str]:
    return {
        "union_id": f"union-{name}",
        "open_id": f"open-{name}",
        "nick_name": name,
        "head_url": "http://example.com/a.png",
        "appid": "sandbox",
    }


def complete(user: User, name: str = "alice") -> dict:
    return ApiClient().put(f"/user/{user.pk}", profile(name))


def test_adding_a_robot_creates_a_user_and_sends_the_completion_link():
    robot = RobotFactory(channel="north")
    gateway_sends(
        ("robot_added", {"robot_id": robot.code, "user_id": "wx-1", "nickname": "小明", "avatar": "a.png"})
    )
    user = User.objects.get(code="wx-1")
    assert (user.nickname, user.avatar_url, user.channel) == ("小明", "a.png", "north")
    assert user.friendships.get().robot == robot
    assert "/s/" in private_messages_to("wx-1")[0]


def test_the_completion_link_leads_to_the_client(settings):
    robot = RobotFactory()
    gateway_sends(("robot_added", {"robot_id": robot.code, "user_id": "wx-1", "nickname": "小明"}))
    slug = private_messages_to("wx-1")[0].rsplit("/s/", 1)[1]
    page, _, key = ApiClient().http.get(f"/s/{slug}")["Location"].partition("?userId=")
    assert page == f"{settings.CLIENT_BASE_URL}/home"
    assert ApiClient().put(f"/user/{key}", profile())["code"] == 1200
    assert User.objects.get(code="wx-1").union_id == "union-alice"


def test_adding_the_same_robot_twice_sends_one_message():
    robot = RobotFactory()
    gateway_sends(("robot_added", {"robot_id": robot.code, "user_id": "wx-1", "nickname": "小明"}))
    gateway_sends(("robot_added", {"robot_id": robot.code, "user_id": "wx-1", "nickname": "小明"}))
    assert len(private_messages_to("wx-1")) == 1


def test_completing_binds_the_wechat_account():
    user = contact()
    assert complete(user)["code"] == 1200
    user.refresh_from_db()
    assert (user.union_id, user.open_id, user.app_id, user.nickname) == (
        "union-alice",
        "open-alice",
        "sandbox",
        "alice",
    )


def test_the_red_packet_is_between_60_and_70_cents():
    paid = {complete(contact(), f"user-{n}")["data"]["red_packed"] for n in range(40)}
    assert min(paid) >= 0.60
    assert max(paid) <= 0.70
    assert len(paid) > 1


def test_operators_set_the_red_packet():
    EarningsRules.objects.update(red_packet_min="1.00", red_packet_max="1.00")
    assert complete(contact())["data"] == {"red_packed": 1.0}


def test_completing_twice_is_2200_and_pays_nothing_twice():
    user = contact()
    red_packet = Decimal(str(complete(user)["data"]["red_packed"]))
    assert complete(user)["code"] == 2200
    assert available_and_withdrawing(user) == (f"{red_packet:.2f}", "0.00")


def test_a_wechat_account_belongs_to_one_user():
    complete(contact())
    other = contact()
    assert complete(other)["code"] == 1409
    assert not Account.objects.filter(user=other).exists()


def test_the_adoption_fee_is_one_cent_a_robot():
    user = contact()
    FriendshipFactory.create_batch(3, user=user)
    complete(user)
    fee = LedgerEntry.objects.get(account__user=user, income_type=IncomeType.ADOPTION_FEE)
    assert fee.amount == Decimal("-0.03")


def test_an_adoption_fee_that_the_balance_does_not_allow_is_waived():
    EarningsRules.objects.update(adoption_fee="1.00")
    user = contact()
    FriendshipFactory(user=user)
    red_packet = Decimal(str(complete(user)["data"]["red_packed"]))
    assert available_and_withdrawing(user) == (f"{red_packet:.2f}", "0.00")
    assert ApiClient(user).get("/profit/slip")["data"][0]["detail"][3] == {"balance": "0.00", "slip_type": 3}


def test_operators_see_a_waived_adoption_fee_in_the_ledger():
    EarningsRules.objects.update(adoption_fee="1.00")
    user = contact()
    FriendshipFactory(user=user)
    complete(user)
    posted = LedgerTransaction.objects.get(idempotency_key=f"adoption_fee:{user.pk}")
    assert sorted(posted.entries.values_list("amount", flat=True)) == [-1, 1]
    assert "余额不足，免收领养费" in Operator().page("earnings/ledgertransaction/")


def test_a_blocked_newcomer_completes_nothing_and_is_paid_nothing():
    user = contact()
    block(user=user, by="root", reason="作弊", at=timezone.now())
    answer = complete(user)
    assert (answer["code"], "封" in answer["description"]) == (1401, True)
    user.refresh_from_db()
    assert (user.completed_at, LedgerTransaction.objects.count()) == (None, 0)


def test_the_sharer_of_the_scan_page_becomes_the_inviter():
    RobotFactory(channel="north")
    inviter, user = UserFactory(), contact()
    scan = {
        "open_id": "open-alice",
        "union_id": "union-alice",
        "sharing_user_id": str(inviter.pk),
        "channel": "north",
    }
    assert ApiClient().post("/robot/distribution", scan)["code"] == 1200
    complete(user)
    user.refresh_from_db()
    assert (user.inviter, user.channel) == (inviter, "north")


def test_an_operator_cannot_complete_a_profile():
    operator = User.objects.create_superuser("root", "x")
    assert complete(operator)["code"] == 1404


def test_an_inviter_is_set_once():
    alice, bob, carol = UserFactory(), UserFactory(), UserFactory()
    assert set_inviter(alice, bob)
    assert not set_inviter(alice, carol)
    with pytest.raises(IntegrityError, match="set once"), transaction.atomic():
        User.objects.filter(pk=alice.pk).update(inviter=carol)


def test_a_user_cannot_be_their_own_inviter():
    alice = UserFactory()
    assert not set_inviter(alice, alice)
    assert User.objects.get(pk=alice.pk).inviter is None


def test_inviters_form_no_circle():
    alice = UserFactory()
    bob = UserFactory(inviter=alice)
    carol = UserFactory(inviter=bob)
    assert not set_inviter(alice, carol)
    with pytest.raises(IntegrityError, match="circle"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET inviter_id = %s WHERE id = %s", [carol.pk, alice.pk])


def test_blocking_is_idempotent_and_takes_id_or_code():
    alice = UserFactory()
    system = key_with(Scope.USERS_BLOCK)
    assert system.put(f"/users/{alice.pk}/block")["code"] == 1200
    first = User.objects.get(pk=alice.pk).blocked_at
    assert system.put(f"/users/{alice.code}/block")["code"] == 1200
    assert User.objects.get(pk=alice.pk).blocked_at == first


def test_blocking_rejects_unreviewed_withdrawals():
    alice = UserFactory(phone="13800138000")
    credit(alice, "30")
    withdrawal = requested_withdrawal(alice)
    key_with(Scope.USERS_BLOCK).put(f"/users/{alice.pk}/block")
    withdrawal.refresh_from_db()
    assert withdrawal.status == 2
    assert "封" in withdrawal.reason
    assert available_and_withdrawing(alice) == ("30.00", "0.00")


def test_a_blocked_user_may_read():
    alice = UserFactory(blocked_at=timezone.now())
    assert ApiClient(alice).get("/profit")["code"] == 1200


def test_a_user_can_query_their_own_block_state():
    answers = [ApiClient(UserFactory(blocked_at=at)).get("/users/block_verify") for at in (None, timezone.now())]
    assert [answer["data"] for answer in answers] == [False, True]


def test_only_users_with_a_completed_profile_are_registered():
    UserFactory(union_id="u1")
    UserFactory(union_id="u2", completed_at=None)
    answers = [ApiClient().get(f"/users/{union_id}/registered")["data"] for union_id in ("u1", "u2", "u3")]
    assert answers == [True, False, False]


def refresh(user: User, union_id: str, **fields) -> dict:
    profile = {
        "appid": "sandbox",
        "head_url": "http://a.cn/new.png",
        "nick_name": "新名",
        "open_id": "open-new",
        **fields,
    }
    return ApiClient(user).put(f"/user/refresh/{union_id}", profile)


def test_a_user_refreshes_what_wechat_shows():
    alice = UserFactory()
    assert refresh(alice, alice.union_id)["code"] == 1200
    alice.refresh_from_db()
    assert (alice.nickname, alice.avatar_url, alice.open_id) == ("新名", "http://a.cn/new.png", "open-new")


def test_the_union_id_of_another_cannot_be_refreshed():
    alice, mallory = UserFactory(nickname="alice"), UserFactory()
    assert refresh(mallory, alice.union_id)["code"] == 1404
    alice.refresh_from_db()
    assert alice.nickname == "alice"
