"""Erasure of a user: no personal data is left, the ledger is unchanged, and two operators are needed."""

from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts.models import ErasureRequest, User, VerificationCode
from accounts.sign_out import sign_out_all
from config.models import AuditEntry, Scope
from earnings import withdrawals
from earnings.models import LedgerEntry, Payout, Withdrawal
from earnings.tasks import send_payouts
from feedback.models import Problem
from groups.models import CancelReason, Group, GroupMessage, Member
from integrations.models import TextMessage
from keywords.models import KeywordBatch
from launches.models import MassMessage
from robots.models import OutboxMessage, Scan, SourceType
from tests.factories.conversations import ConversationFactory
from tests.factories.launches import launched
from tests.factories.money import available_and_withdrawing, credit, requested_withdrawal
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.entry_points import gateway_sends, key_with
from tests.support.identity_cards import REAL
from tests.support.identity_cards import enter_card as give_card
from tests.support.mass_messages import complete_draft
from tests.support.payouts import query_later, set_next_state

pytestmark = pytest.mark.django_db
# The personal data to look for.
PHONE, CODE, UNION, OPEN, NAME, PICTURE = (
    "13800138765",
    "wx-code-of-alice",
    "union-of-alice",
    "open-of-alice",
    "爱丽丝的昵称",
    "https://example.com/alice.png",
)
WRITTEN = "爱丽丝说过的话"
PERSONAL = (PHONE, CODE, UNION, OPEN, NAME, PICTURE, WRITTEN)


@pytest.fixture
def alice() -> User:
    return UserFactory(
        code=CODE,
        nickname=NAME,
        avatar_url=PICTURE,
        union_id=UNION,
        open_id=OPEN,
        phone=PHONE,
        blocked_reason="",
    )


@pytest.fixture
def active_user(alice: User, sandbox: Any) -> User:
    """A user with personal data in every app."""
    robot = RobotFactory(code="r1")
    FriendshipFactory(user=alice, robot=robot)
    page = {"open_id": OPEN, "union_id": UNION, "sharing_user_id": "", "channel": ""}
    assert ApiClient().post("/robot/distribution", page)["code"] == 1200
    assert give_card(alice)["code"] == 1200
    assert ApiClient(alice).get("/sms/code/delivery", phone=PHONE)["code"] == 1200
    texts = {"phones": [PHONE], "content": "您好"}
    assert key_with(Scope.SMS_SEND).post("/sms/delivery/batch", texts)["code"] == 1200
    group = GroupFactory(user=alice, robot=robot, code="g1", wechat_owner_code=CODE, welcome_message=WRITTEN)
    Member.objects.create(group=group, code=CODE, nickname=NAME, avatar_url=PICTURE, joined_at=timezone.now())
    elsewhere = GroupFactory(code="g2", robot=robot)
    Member.objects.create(group=elsewhere, code=CODE, nickname=NAME, joined_at=timezone.now())
    GroupMessage.objects.create(
        group=elsewhere, sender_code=CODE, content={"type": 3, "content": WRITTEN}, sent_at=timezone.now()
    )
    Member.objects.create(group=group, code="somebody", joined_at=timezone.now())
    answer = {"group_code": "g1", "mem_code": "somebody", "content": WRITTEN, "type": 3}
    assert ApiClient(alice).post("/alt_msg/reply", answer)["code"] == 1200
    launched(group)
    keyword = {"group_codes": ["g1"], "keywords": ["价格"], "reply_content": WRITTEN}
    assert ApiClient(alice).post("/keywords", keyword)["code"] == 1200
    assert (
        complete_draft(alice, "g1", message={"type": 3, "content": WRITTEN, "title": "", "desc": "", "url": ""})[
            "code"
        ]
        == 1200
    )
    ConversationFactory(user=alice)
    category = apps.get_model("feedback", "ProblemCategory").objects.first()
    Problem.objects.create(user=alice, category=category, description=WRITTEN, reported_at=timezone.now())
    gateway_sends(("private_message", {"robot_id": "r1", "user_id": CODE, "type": 3, "content": "菜单"}))
    credit(alice, "20")
    set_next_state(sandbox, "SUCCESS")
    paid(alice)
    root = Operator("support")
    root.act("accounts/user", "block", alice, reason=WRITTEN)
    root.act("accounts/user", "unblock", alice, reason="查清")
    alice.refresh_from_db()
    return alice


def paid(user: User) -> Withdrawal:
    """Create and return a withdrawal of this user that WeChat Pay has paid."""
    withdrawal = requested_withdrawal(user)
    withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
    send_payouts()
    query_later()
    return Withdrawal.objects.get(pk=withdrawal.pk)


def erase(user: User, *options: str) -> str:
    out = StringIO()
    call_command("erase_user", str(user.pk), "--yes", "--by", "root", *options, stdout=out)
    return out.getvalue()


def rows_with(*values: str) -> set[tuple[str, str]]:
    """Return every (table, value) where a row of the table contains the value."""
    found = set()
    with connection.cursor() as cursor:
        for model in apps.get_models():
            table = model._meta.db_table
            if not model._meta.managed or model._meta.proxy:
                continue
            for value in values:
                cursor.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}" t WHERE t::text LIKE %s)', [f"%{value}%"])
                if cursor.fetchone()[0]:
                    found.add((table, value))
    return found


def test_no_personal_data_is_left(active_user):
    before = {table for table, _value in rows_with(*PERSONAL)}
    assert {"accounts_user", "groups_member", "config_auditentry", "earnings_withdrawal"} <= before
    assert erase(active_user) == "Erased.\n"
    left = {table for table, _value in rows_with(*PERSONAL)}
    assert left <= {"integrations_gatewayevent"}  # the inbox deletes its events by age (docs/erasure.md)
    active_user.refresh_from_db()
    assert (active_user.nickname, active_user.is_active, active_user.identity_sealed) == ("已注销用户", False, None)


def test_the_ledger_stays_unchanged(active_user):
    kept = list(LedgerEntry.objects.order_by("pk").values_list("pk", "amount", "transaction__idempotency_key"))
    withdrawal = Withdrawal.objects.get()
    status, money = withdrawal.status, available_and_withdrawing(active_user)
    erase(active_user)
    withdrawal.refresh_from_db()
    assert (
        list(LedgerEntry.objects.order_by("pk").values_list("pk", "amount", "transaction__idempotency_key")) == kept
    )
    assert (withdrawal.user_id, withdrawal.status, available_and_withdrawing(active_user)) == (
        active_user.pk,
        status,
        money,
    )
    assert (withdrawal.open_id, Payout.objects.get().open_id) == ("", "")
    call_command("check_ledger", stdout=StringIO())


def test_groups_are_cancelled_in_the_usual_way(active_user):
    erase(active_user)
    group = Group.objects.get(code="g1")
    assert (group.cancel_reason, group.cancelled_by) == (CancelReason.OPERATOR, "root")
    assert OutboxMessage.objects.filter(group_code="g1", operation="unbind_group").exists()
    assert Group.objects.get(code="g2").cancelled_at is None


def test_messages_and_members_have_a_pseudonym(active_user):
    erase(active_user)
    pseudonym = f"erased-{active_user.pk.hex}"
    assert set(Member.objects.values_list("code", "nickname")) == {(pseudonym, "已注销用户"), ("somebody", "")}
    message = GroupMessage.objects.get()
    assert (message.sender_code, message.summary) == (pseudonym, "（已删除）")
    assert MassMessage.objects.get().status == MassMessage.Status.RECALLED
    assert OutboxMessage.objects.get(source_type=SourceType.LAUNCH).content["content"] == "大家好"
    assert not KeywordBatch.objects.exists()
    assert not Scan.objects.exists()
    assert not VerificationCode.objects.exists()
    assert not TextMessage.objects.filter(phone=PHONE).exists()


def test_proof_and_token_are_invalid_at_once(active_user, settings):
    settings.ENFORCE_AUTH = True
    browser, client = Client(), ApiClient(active_user)
    active_user.union_id = "union-alice"
    active_user.save()
    browser.get("/wechat/user_info", {"app_id": "sandbox", "code": "alice"})
    sign_in = {"path": "/auth", "data": {"union_id": "union-alice"}, "content_type": "application/json"}
    assert browser.post(**sign_in).json()["code"] == 1200
    erase(active_user)
    assert client.get("/auth/me")["code"] == 1401
    assert browser.post(**sign_in).json()["code"] == 1401


def test_the_audit_log_records_the_erasure_and_its_author_without_the_values(active_user):
    erase(active_user)
    [entry] = AuditEntry.objects.filter(actor="root", row_id=str(active_user.pk))
    assert (entry.via, list(entry.changes)) == ("注销账号", ["erased_at"])
    blocked = AuditEntry.objects.filter(row_id=str(active_user.pk), changes__has_key="blocked_reason").first()
    assert blocked.changes["blocked_reason"] == ["•••", "•••"]
    assert blocked.changes["blocked_at"] != ["•••", "•••"]


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'nobody'",
        "changes = '{}'",
        """changes = '{"blocked_at": ["a", "b"]}'""",
        """changes = changes || '{"more": ["•••", "•••"]}'""",
    ],
)
def test_the_audit_log_allows_masked_values_and_no_other_change(change):
    user = UserFactory()
    Operator("support").act("accounts/user", "block", user, reason="作弊")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE config_auditentry SET {change}")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM config_auditentry")


def test_an_erasure_is_refused_while_a_withdrawal_is_open(alice):
    credit(alice, "20")
    requested_withdrawal(alice)
    with pytest.raises(CommandError, match="请先审核提现"):
        erase(alice)
    alice.refresh_from_db()
    assert (alice.erased_at, alice.phone) == (None, PHONE)


def test_a_balance_is_withdrawn_first_or_given_up(alice):
    credit(alice, "20")
    with pytest.raises(CommandError, match="账户还有余额"):
        erase(alice)
    assert erase(alice, "--gives-up-balance") == "Erased.\n"
    assert available_and_withdrawing(alice) == ("20.00", "0.00")


def test_an_erased_user_stays_blocked(alice):
    apprentice = UserFactory(inviter=alice)
    erase(alice)
    root = Operator()
    root.act("accounts/user", "unblock", alice, reason="查清")
    alice.refresh_from_db()
    assert (alice.is_blocked, apprentice.inviter_id) == (True, alice.pk)
    assert sign_out_all([alice.pk], at=timezone.now()) == 1


def test_the_same_person_may_return_as_a_new_user(alice):
    give_card(alice)
    erase(alice)
    RobotFactory(code="r1")
    gateway_sends(("robot_added", {"robot_id": "r1", "user_id": CODE, "nickname": NAME}))
    again = User.objects.get(code=CODE)
    assert again.pk != alice.pk
    assert give_card(again, REAL)["code"] == 1200


def test_a_second_run_erases_newer_data(alice):
    erase(alice)
    assert erase(alice) == "Erased before; what came since is erased too.\n"


@pytest.mark.parametrize("who", ["operator", "nobody"])
def test_operators_and_unknown_ids_are_no_users(who):
    pk = Operator().user.pk if who == "operator" else "00000000-0000-0000-0000-000000000000"
    with pytest.raises(CommandError, match="No user has this id"):
        call_command("erase_user", str(pk), "--yes")


def test_the_command_asks_before_it_acts(alice, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda _question: "no")
    with pytest.raises(CommandError, match="Nothing was erased"):
        call_command("erase_user", str(alice.pk))


def test_an_erasure_needs_two_operators(alice):
    ann, bob = Operator("administrator", username="ann"), Operator("administrator", username="bob")
    assert "已提交，待另一名运营人员确认 1 条" in ann.act("accounts/user", "erase", alice, reason="本人要求")
    request = ErasureRequest.objects.get()
    assert "由你自己提交" in ann.act("accounts/erasurerequest", "confirm", request)
    alice.refresh_from_db()
    assert alice.erased_at is None
    assert "已注销账号 1 条" in bob.act("accounts/erasurerequest", "confirm", request)
    alice.refresh_from_db()
    request.refresh_from_db()
    assert (alice.erased_at is not None, request.decided_by) == (True, "bob")
    assert rows_with(PHONE, NAME) == set()


def test_a_request_that_cannot_be_confirmed_yet_shows_the_reason_and_waits(alice):
    credit(alice, "20")
    requested_withdrawal(alice)
    ann, bob = Operator("administrator", username="ann"), Operator("administrator", username="bob")
    ann.act("accounts/user", "erase", alice, reason="本人要求", gives_up_balance="on")
    page = bob.act("accounts/erasurerequest", "confirm", ErasureRequest.objects.get())
    assert "请先审核提现" in page
    assert ErasureRequest.objects.waiting().count() == 1


def test_a_request_is_made_once_and_may_be_refused(alice):
    ann = Operator("administrator", username="ann")
    ann.act("accounts/user", "erase", alice, reason="本人要求")
    assert "已有待确认的申请" in ann.act("accounts/user", "erase", alice, reason="本人要求")
    assert "已拒绝 1 条" in ann.act("accounts/erasurerequest", "refuse", ErasureRequest.objects.get())
    assert "已提交" in ann.act("accounts/user", "erase", alice, reason="本人要求")


@pytest.mark.parametrize("role", ["support", "finance", "viewer"])
def test_only_administrators_request_and_confirm_erasures(alice, role):
    Operator(role).act("accounts/user", "erase", alice, reason="本人要求")
    assert not ErasureRequest.objects.exists()
    assert Operator(role).sees("accounts/erasurerequest/") == 403


def test_the_database_requires_two_people_and_refuses_personal_data_of_erased_users(alice):
    now = timezone.now()
    fields = {"user": alice, "reason": "x", "asked_at": now, "asked_by": "ann", "status": 1}
    with pytest.raises(IntegrityError, match="erasure_is_of_two_people"), transaction.atomic():
        ErasureRequest.objects.create(decided_at=now, decided_by="ann", **fields)
    erase(alice)
    with pytest.raises(IntegrityError, match="erased_user_is_nobody"), transaction.atomic():
        User.objects.filter(pk=alice.pk).update(phone=PHONE)


def test_a_receiver_is_erased_only_after_the_payout_has_ended(alice):
    credit(alice, "20")
    withdrawal = requested_withdrawal(alice)
    with pytest.raises(IntegrityError, match="not changed afterwards"), transaction.atomic():
        Withdrawal.objects.filter(pk=withdrawal.pk).update(open_id="", app_id="")
