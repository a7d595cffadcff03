"""The audit log: actor, moment and values before and after, for every kind of write."""

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from config.models import AuditEntry
from config.platform import audit
from earnings.models import Withdrawal
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import GroupFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.entry_points import key_with

pytestmark = pytest.mark.django_db


def audited(table: str) -> dict:
    """Return the changes of the newest entry of a table."""
    return AuditEntry.objects.filter(table_name=table).values_list("changes", flat=True)[0]


def test_blocking_a_user_is_recorded_with_both_values(root):
    alice = UserFactory()
    root.act("accounts/user", "block", alice, reason="刷单")
    entry = AuditEntry.objects.get(table_name="accounts_user", row_id=str(alice.pk))
    assert (entry.actor, entry.action, entry.via) == ("root", "U", "/admin/accounts/user/ block")
    assert entry.changes["blocked_reason"] == ["", "刷单"]
    assert entry.changes["blocked_at"][0] is None


def test_changes_by_sql_and_update_are_recorded_too(root):
    alice = UserFactory(phone="13800138000")
    credit(alice, "20")
    root.act("earnings/withdrawal", "reject", requested_withdrawal(alice), reason="资料不符")
    assert audited("earnings_withdrawal")["status"] == [0, 2]
    group = GroupFactory()
    root.act("groups/group", "cancel", group, reason=4)
    assert audited("groups_group")["cancel_reason"] == [None, 4]


def test_secrets_are_noted_without_their_content(root):
    other = Operator("support").user
    root.http.post(
        f"/admin/accounts/operator/{other.pk}/password/",
        {"password1": "a-Long-Word-7", "password2": "a-Long-Word-7", "usable_password": "true"},
    )
    assert audited("accounts_user") == {"password": ["•••", "•••"]}


def test_an_export_is_noted(root):
    alice = UserFactory()
    root.http.post("/admin/accounts/user/?blocked=0", {"action": "export", "_selected_action": [str(alice.pk)]})
    entry = AuditEntry.objects.get(action="E")
    assert (entry.actor, entry.changes["filter"]) == ("root", [None, "blocked=0"])


def test_changes_by_machines_are_not_in_the_audit_log():
    alice = UserFactory()
    key_with().put(f"/users/{alice.pk}/block")
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("enforced", [True, False])
def test_changes_of_a_signed_in_operator_through_the_api_are_recorded(root, settings, enforced):
    settings.ENFORCE_AUTH = enforced
    alice = UserFactory()
    answer = root.http.put(f"/users/{alice.pk}/block", content_type="application/json").json()
    entry = AuditEntry.objects.get(table_name="accounts_user")
    assert (answer["code"], entry.actor, entry.via) == (1200, "root", f"PUT /users/{alice.pk}/block")


def test_an_operators_call_that_is_refused_leaves_nothing(root):
    body = [{"groupId": GroupFactory().code, "starLevel": 9}]
    assert root.http.post("/groups/star", body, content_type="application/json").json()["code"] == 1403
    assert not AuditEntry.objects.exists()


def test_the_status_that_an_operator_sets_through_the_api_is_shown_and_noted(root):
    answer = root.http.post(
        "/app/status", {"status": 2, "upGradeEndTime": "23:00"}, content_type="application/json"
    )
    assert answer.json()["code"] == 1200
    assert root.http.get("/app/status").json()["data"]["status"] == 2
    assert audited("config_sitestatus")["upgrade_end"] == [None, "23:00"]


def test_looking_is_not_noted(root):
    root.page("accounts/user/")
    assert not AuditEntry.objects.exists()


def blocked_by_mistake(user: User) -> None:
    with audit.acting(by="root", via=""):
        User.objects.filter(pk=user.pk).update(nickname="x")
        raise ZeroDivisionError


def test_an_action_that_fails_leaves_neither_change_nor_entry():
    with pytest.raises(ZeroDivisionError):
        blocked_by_mistake(UserFactory())
    assert not AuditEntry.objects.exists()


def test_the_database_refuses_every_change_of_the_log(root):
    root.act("accounts/user", "block", UserFactory(), reason="刷单")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEntry.objects.update(actor="somebody else")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEntry.objects.all().delete()


def test_every_change_page_leads_to_its_history(root):
    alice = UserFactory(nickname="alice")
    root.act("accounts/user", "block", alice, reason="刷单")
    shown = root.http.get(f"/admin/accounts/user/{alice.pk}/history/", follow=True).text
    assert "封号原因：- → 刷单" in shown or "封号原因： → 刷单" in shown


def test_paid_money_cannot_be_touched(root):
    alice = UserFactory(phone="13800138000")
    credit(alice, "20")
    withdrawal = requested_withdrawal(alice)
    root.act("earnings/withdrawal", "approve", withdrawal)
    assert "1 条没有变化" in root.act("earnings/withdrawal", "reject", withdrawal, reason="x")
    assert Withdrawal.objects.get().status == Withdrawal.Status.PAYING
