"""Operators read, search, pause and resume keyword batches."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts import erasure
from accounts.models import User
from config.models import AuditEntry
from groups.models import Group
from keywords.models import KeywordBatch, KeywordReply
from tests.factories.people import GroupFactory, RobotFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient
from tests.support.group_messages import messages_to, receive_group_message
from tests.support.reads import noted_reads

pytestmark = pytest.mark.django_db
WHERE = "keywords/keywordbatch"


@pytest.fixture
def group(alice: User) -> Group:
    return GroupFactory(code="g1", name="<b>甲群", user=alice, robot=RobotFactory(code="r1"))


def batch_of(user: User, *keywords: str, groups: str = "g1", reply: str = "十元") -> KeywordBatch:
    body = {"group_codes": groups, "keywords": list(keywords), "reply_content": reply}
    assert ApiClient(user).post("/keywords", body)["code"] == 1200
    return KeywordBatch.objects.latest("created_at")


def ask(text: str) -> list[str]:
    """Receive a text in the group, eleven seconds after the last one. Returns all replies."""
    KeywordReply.objects.update(replied_at=timezone.now() - timedelta(seconds=11))
    receive_group_message(text)
    return messages_to()


def test_a_paused_batch_is_not_answered_until_it_is_resumed(alice: User, group: Group, support: Operator):
    batch = batch_of(alice, "价格")
    batch_of(alice, "地址", reply="人民路")
    assert ask("价格") == ["十元"]
    assert "已停用 1 条" in support.act(WHERE, "pause", batch, reason="引流")
    assert ask("价格和地址") == ["十元", "人民路"]
    assert "已恢复 1 条" in support.act(WHERE, "resume", batch)
    assert ask("价格") == ["十元", "人民路", "十元"]


def test_the_user_sees_no_difference_and_a_change_keeps_the_pause(alice: User, group: Group, support: Operator):
    batch = batch_of(alice, "价格")
    before = ApiClient(alice).get("/keywords")["data"]
    support.act(WHERE, "pause", batch, reason="引流")
    assert ApiClient(alice).get("/keywords")["data"] == before
    body = {"id": str(batch.pk), "group_codes": "g1", "keywords": ["价钱"], "reply_content": "一元"}
    assert ApiClient(alice).put("/keywords", body)["code"] == 1200
    assert ask("价钱") == []


def test_a_pause_needs_a_reason_and_is_in_the_audit_log(alice: User, group: Group, support: Operator):
    batch = batch_of(alice, "价格")
    support.act(WHERE, "pause", batch, reason=" ")
    support.act(WHERE, "pause", batch, reason="引流")
    entry = AuditEntry.objects.get(table_name="keywords_keywordbatch", row_id=str(batch.pk))
    assert (entry.actor, entry.changes["pause_reason"]) == (support.user.username, ["", "引流"])


def test_viewers_cannot_pause(alice: User, group: Group):
    batch = batch_of(alice, "价格")
    Operator("viewer").act(WHERE, "pause", batch, reason="引流")
    batch.refresh_from_db()
    assert batch.paused_at is None


def test_the_confirmation_names_person_keywords_and_reply(alice: User, group: Group, support: Operator):
    page = support.act(WHERE, "pause", batch_of(alice, "<i>价格", "团购"), confirmed=False)
    assert f"{alice.nickname} · &lt;i&gt;价格、团购 → 十元" in page


def test_the_page_shows_keywords_and_groups_in_a_fixed_number_of_queries(
    alice: User, group: Group, support: Operator, django_assert_max_num_queries
):
    codes = ["g1", *(GroupFactory(user=alice).code for _ in range(51))]
    batch = batch_of(alice, "价格", "<i>团购", groups=",".join(codes))
    with django_assert_max_num_queries(14):
        page = support.page(f"{WHERE}/{batch.pk}/change/")
    assert "价格、&lt;i&gt;团购" in page
    assert "52 个群" in page
    assert page.count("/admin/groups/group/") == 51  # 50 groups, and the menu


@pytest.mark.parametrize("term", ["价格", "ＰＲＩＣＥ", "price"])
def test_a_batch_is_found_by_a_whole_keyword(alice: User, group: Group, support: Operator, term: str):
    batch_of(alice, "价格", "Price")
    batch_of(alice, "价格表", reply="五元")
    page = support.page(f"{WHERE}/", q=term)
    assert (">十元<" in page, ">五元<" in page) == (True, False)


def test_a_keyword_is_found_after_a_change(alice: User, group: Group, support: Operator):
    batch = batch_of(alice, "价格")
    body = {"id": str(batch.pk), "group_codes": "g1", "keywords": ["价钱"], "reply_content": "十元"}
    ApiClient(alice).put("/keywords", body)
    found = [">十元<" in support.page(f"{WHERE}/", q=term) for term in ("价格", "价钱")]
    assert found == [False, True]


def test_a_batch_is_found_by_its_person(alice: User, group: Group, support: Operator):
    batch_of(alice, "价格")
    found = [">十元<" in support.page(f"{WHERE}/", q=term) for term in (alice.nickname, "nobody")]
    assert found == [True, False]


def test_the_search_for_a_keyword_reads_few_rows(support: Operator):
    user, now = UserFactory(), timezone.now()
    rows = [
        KeywordBatch(user=user, keywords=[f"词{n}"], folded=[f"词{n}"], reply_content="好", created_at=now)
        for n in range(3000)
    ]
    KeywordBatch.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE keywords_keywordbatch")
    with noted_reads() as reads:
        assert "词2999" in support.page(f"{WHERE}/", q="词2999")
    scanned = [read.scanned for read in reads if 'FROM "keywords_keywordbatch"' in read.sql]
    assert scanned
    assert max(scanned) < 10


@pytest.mark.parametrize(("state", "replies"), [("active", ["五元"]), ("paused", ["十元"])])
def test_batches_are_filtered_by_state(
    alice: User, group: Group, support: Operator, state: str, replies: list[str]
):
    batch = batch_of(alice, "价格")
    batch_of(alice, "价格表", reply="五元")
    support.act(WHERE, "pause", batch, reason="引流")
    page = support.page(f"{WHERE}/", state=state)
    assert [reply for reply in ("十元", "五元") if f">{reply}<" in page] == replies


def test_erasing_the_person_removes_the_reason_from_the_log(alice: User, group: Group, support: Operator):
    support.act(WHERE, "pause", batch_of(alice, "价格"), reason="电话 13800138000")
    erasure.erase(user=alice, by="root", at=timezone.now())
    assert "13800138000" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))
