"""The audit log as administrators read and search it: names, labels, local times, pages by their titles."""

from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group as Role
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.models import AuditEntry
from config.platform import audit
from earnings.models import Withdrawal
from groups.models import Group
from launches.models import MassMessage
from tests.factories.launches import scheduled
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import GroupFactory, OperatorFactory, UserFactory
from tests.support.admin_tables import listed_rows

pytestmark = pytest.mark.django_db
LOG = "config/auditentry/"


@pytest.fixture
def rejected(root) -> Withdrawal:
    """A withdrawal of 李雷 that root rejected in the admin."""
    user = UserFactory(nickname="李雷", phone="13800138000")
    credit(user, "20")
    withdrawal = requested_withdrawal(user)
    root.act("earnings/withdrawal", "reject", withdrawal, reason="资料不符")
    return withdrawal


def test_values_are_labels_and_the_entrance_is_named(root, rejected):
    row = next(row for row in listed_rows(root.page(LOG)) if row["subject"].startswith("提现 20.00"))
    assert row["subject"] == "提现 20.00 元 已拒绝"
    assert "状态：待审核 → 已拒绝" in row["summary"]
    assert row["entrance"] == "后台 · 提现 · 拒绝并退回余额"


def test_references_are_names(root):
    group, other = GroupFactory(name="美食群"), UserFactory(nickname="韩梅")
    before = str(group.user)
    with audit.acting(by="root", via="test"):
        Group.objects.filter(pk=group.pk).update(user=other)
    [row] = listed_rows(root.page(LOG))
    assert (row["subject"], row["summary"]) == ("群 美食群", f"用户：{before} → 韩梅")


def test_roles_have_their_titles(root):
    operator = OperatorFactory(username="wang")
    with audit.acting(by="root", via="test"):
        operator.groups.add(Role.objects.get(name="finance"))
    [row] = listed_rows(root.page(LOG))
    assert row["subject"] == "运营人员的角色"
    assert "角色：- → 财务" in row["summary"]
    assert "wang" in row["summary"]


def test_moments_and_contents_are_readable(root):
    group = GroupFactory()
    message = scheduled(group.user, group)
    with audit.acting(by="root", via="test"):
        MassMessage.objects.filter(pk=message.pk).update(
            queued_at=datetime(2026, 11, 26, 16, 0, tzinfo=UTC), contents=[{"type": 3, "content": "晚安 <b>"}]
        )
    entry = AuditEntry.objects.get()
    page = root.page(f"{LOG}{entry.pk}/change/")
    assert "2026-11-27 00:00:00" in page
    assert "晚安 &lt;b&gt;" in page
    assert "内容" in listed_rows(root.page(LOG))[0]["summary"]


def test_a_row_that_is_gone_is_called_so(root):
    AuditEntry.objects.create(
        noted_at=timezone.now(), actor="root", action="D", table_name="groups_group", row_id="gone", changes={}
    )
    assert listed_rows(root.page(LOG))[0]["subject"] == "群（已不存在）"


@pytest.mark.parametrize("term", ["root", "13800138", "李雷"])
def test_entries_are_found_by_operator_and_by_person(root, rejected, term):
    with audit.acting(by="somebody", via="test"):
        Group.objects.filter(pk=GroupFactory().pk).update(name="x")
    rows = listed_rows(root.page(LOG, q=term))
    assert [row for row in rows if row["subject"].startswith("提现")]
    assert [row for row in rows if row["subject"].startswith("群")] == []


def test_entries_are_found_by_object(root, rejected):
    assert len(listed_rows(root.page(LOG, q=str(rejected.pk)))) == 1


def test_tables_are_a_choice_of_titles_without_a_query(root, rejected):
    with CaptureQueriesContext(connection) as queries:
        page = root.page(LOG, table_name="earnings_withdrawal")
    assert [row["subject"][:2] for row in listed_rows(page)] == ["提现"]
    assert "群发草稿" in page
    assert [query for query in queries if "DISTINCT" in query["sql"]] == []


def test_the_names_of_a_page_take_one_query_for_each_model(root):
    for _ in range(5):
        with audit.acting(by="root", via="test"):
            Group.objects.filter(pk=GroupFactory().pk).update(name="x", user=UserFactory())
    with CaptureQueriesContext(connection) as queries:
        root.page(LOG)
    assert len([query for query in queries if 'FROM "groups_group"' in query["sql"]]) == 1
    assert (
        len([query for query in queries if query["sql"].startswith("SELECT") and "accounts_user" in query["sql"]])
        <= 3
    )


@pytest.mark.parametrize(
    ("via", "shown"),
    [
        ("/admin/accounts/user/ block", "后台 · 用户 · 封号"),
        ("/admin/groups/starplan/add/", "后台 · 星级收益方案 · 新增"),
        ("/admin/robots/robot/do/sync/", "后台 · 机器人 · 从网关导入和同步"),
        ("/admin/two-factor/", "后台 · 两步验证"),
        ("PUT /users/8d12fa66-11aa-4f5a-ab1a-9499804756e3/block", "接口 · 用户封号"),
        ("PUT /no/such/thing", "接口 · PUT /no/such/thing"),
        ("manage.py operator", "manage.py operator"),
        ("/admin/no/thing/ x", "/admin/no/thing/ x"),
    ],
)
def test_entrances(root, via, shown):
    AuditEntry.objects.create(noted_at=timezone.now(), actor="root", action="U", table_name="none", via=via)
    assert listed_rows(root.page(f"{LOG}?{urlencode({'q': 'root'})}"))[0]["entrance"] == shown
