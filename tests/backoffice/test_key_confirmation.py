"""A key that reviews withdrawals works after a second, independent administrator has confirmed it."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group as Role
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from config.api.keys import issue_key
from config.models import ApiKey, AuditEntry, Scope
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("enforced_auth")]
KEYS = "config/apikey"
REVIEW, READ = Scope.WITHDRAWALS_REVIEW.value, Scope.BACKOFFICE_READ.value
NOTICE = "要另一名管理员在“接口密钥”里确认后才能审核提现"


def created_key(by: Operator, *scopes: str, **typed: Any) -> tuple[str, ApiClient]:
    """Create a key as this operator. Returns the page that follows and a client with the key."""
    page = by.saves(f"{KEYS}/add/", {"name": "console", "scopes": scopes or [REVIEW], **typed})
    return page, ApiClient(key=page.split("请立即保存）：")[1][:43])


def reviews(system: ApiClient) -> bool:
    """Return whether the key may review withdrawals, by a call with an unknown withdrawal."""
    code = system.post("/withdraw/review", {"withdraw_id": [str(uuid4())], "status": 1})["code"]
    assert code in (1409, 1401), code
    return code == 1409


def confirms(by: Operator) -> str:
    return by.act(KEYS, "confirm", ApiKey.objects.latest("created_at"))


def test_it_waits_for_another_administrator(ann, bob):
    page, system = created_key(ann)
    assert NOTICE in page
    assert not reviews(system)
    assert "已确认 1 条" in confirms(bob)
    key = ApiKey.objects.get()
    assert (reviews(system), key.created_by, key.confirmed_by) == (True, "ann", "bob")


def test_its_other_scopes_work_at_once(ann):
    _page, system = created_key(ann, READ, REVIEW)
    assert system.post("/admin/withdraw")["code"] == 1200
    assert not reviews(system)


def test_a_key_without_that_scope_waits_for_nobody(ann, bob):
    page, system = created_key(ann, READ)
    assert NOTICE not in page
    assert system.post("/admin/withdraw")["code"] == 1200
    assert "不需要确认" in confirms(bob)
    assert ApiKey.objects.get().confirmed_at is None


def test_the_maker_of_a_key_cannot_confirm_it(ann):
    _page, system = created_key(ann)
    assert "自己创建的密钥要由另一名管理员确认" in confirms(ann)
    assert not reviews(system)


@pytest.mark.parametrize("maker_has_access", [True, False])
def test_an_operator_linked_to_the_maker_cannot_confirm_a_key(maker_has_access):
    ann, puppet = Operator(username="ann"), Operator("viewer", username="puppet")
    text = {"usable_password": "true", "password1": "a-Long-Word-7", "password2": "a-Long-Word-7"}
    ann.saves(f"accounts/operator/{puppet.user.pk}/password/", text)
    puppet.user.groups.add(Role.objects.get(name="administrator"))
    puppet.user.refresh_from_db()
    puppet.http.force_login(puppet.user)
    maker, second = (ann, puppet) if maker_has_access else (puppet, ann)
    _page, system = created_key(maker)
    assert "你们中的一方在 30 天内" in confirms(second)
    assert not reviews(system)


@pytest.mark.parametrize("role", ["finance", "support", "viewer"])
def test_only_administrators_confirm(ann, role):
    _page, system = created_key(ann)
    confirms(Operator(role))
    assert not reviews(system)


def test_the_confirmation_page_shows_the_permissions_of_the_key(ann, bob):
    created_key(ann, READ, REVIEW, networks="10.1.0.0/16")
    key = ApiKey.objects.get()
    page = bob.act(KEYS, "confirm", key, confirmed=False)
    assert f"ann：{key}，后台列表、审核提现，10.1.0.0/16" in page


def test_it_waits_on_the_first_page_until_it_is_confirmed_or_revoked(ann, bob):
    created_key(ann)
    assert "<strong>1</strong><span>待确认的接口密钥</span>" in bob.page("")
    key = ApiKey.objects.get()
    assert str(key.pk) in bob.page(f"{KEYS}/", state="waiting")
    assert "确认密钥" in bob.page(f"{KEYS}/{key.pk}/change/")
    bob.act(KEYS, "revoke", key)
    assert str(key.pk) not in bob.page(f"{KEYS}/", state="waiting")
    assert "不需要确认、已经处理" in confirms(bob)


def test_both_steps_are_in_the_audit_log(ann, bob):
    created_key(ann)
    confirms(bob)
    entries = AuditEntry.objects.filter(table_name="config_apikey").order_by("id")
    assert [(entry.actor, entry.action) for entry in entries] == [("ann", "I"), ("bob", "U")]
    assert entries[1].changes["confirmed_by"] == ["", "bob"]


def test_a_key_of_the_command_line_works_at_once_and_its_maker_is_noted():
    printed = StringIO()
    call_command("create_api_key", "console", f"--scope={REVIEW}", stdout=printed)
    assert reviews(ApiClient(key=printed.getvalue().strip()))
    entry = AuditEntry.objects.get(table_name="config_apikey")
    assert (entry.actor, entry.via, ApiKey.objects.get().created_by) == ("命令行", "manage.py create_api_key", "")


def test_nobody_changes_a_key_on_its_page(ann):
    created_key(ann, READ)
    key = ApiKey.objects.get()
    ann.saves(f"{KEYS}/{key.pk}/change/", {"name": "console", "scopes": [READ, REVIEW]})
    assert ApiKey.objects.get().scopes == [READ]


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": [REVIEW, READ]},
        {"networks": []},
        {"expires_at": None},
        {"expires_at": datetime(2999, 1, 1, tzinfo=UTC)},
        {"name": "another"},
        {"key_hash": "0" * 64},
    ],
    ids=str,
)
def test_a_key_that_is_changed_past_the_pages_has_to_be_confirmed_again(change):
    key = ApiKey(name="console", networks=["127.0.0.1/32"], expires_at=timezone.now() + timedelta(days=9))
    raw = issue_key(key, [REVIEW], confirmed_at=timezone.now())
    assert reviews(ApiClient(key=raw))
    ApiKey.objects.update(**change)
    key.refresh_from_db()
    assert (key.needs_confirmation, key.confirmed_at, key.confirmed_by) == (True, None, "")
    assert not key.allows(REVIEW)


def test_storing_the_use_of_a_key_leaves_it_confirmed(ann, bob):
    _page, system = created_key(ann)
    confirms(bob)
    assert reviews(system)
    assert ApiKey.objects.get().last_used_at is not None
    assert reviews(system)


def test_a_revoked_key_that_is_brought_back_has_to_be_confirmed_again(ann, bob):
    _page, system = created_key(ann)
    confirms(bob)
    bob.act(KEYS, "revoke", ApiKey.objects.get())
    ApiKey.objects.update(revoked_at=None, revoked_by=None)
    assert not reviews(system)


@pytest.mark.parametrize("confirmed_by", ["", "ann"])
def test_the_database_keeps_two_people(ann, confirmed_by):
    created_key(ann)
    with pytest.raises(IntegrityError, match="operators_key_is_confirmed_by_another"), transaction.atomic():
        ApiKey.objects.update(confirmed_at=timezone.now(), confirmed_by=confirmed_by)
