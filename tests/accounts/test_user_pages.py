"""The page of a user: figures, notes, the timeline, and why a block ended."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import erasure
from accounts.models import EndedBlock, User, UserNote
from config.models import AuditEntry
from feedback.models import Problem, ProblemCategory
from groups.models import CancelReason, GroupNote
from tests.factories.money import credit, requested_withdrawal
from tests.factories.people import FriendshipFactory, GroupFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.client import ApiClient

pytestmark = pytest.mark.django_db
WHERE = "accounts/user"


@pytest.fixture
def alice() -> User:
    return UserFactory(phone="13900139000")


def page_of(user: User) -> str:
    return f"{WHERE}/{user.pk}/change/"


def timeline(page: str) -> str:
    return page.partition('class="timeline"')[2]


def add_note(operator: Operator, where: str, row: Any, text: str) -> str:
    return operator.act(where, "add_note", row, note=text)


def test_unblocking_needs_a_reason_and_keeps_it(alice: User, support: Operator):
    support.act(WHERE, "block", alice, reason="刷单")
    support.act(WHERE, "unblock", alice, reason=" ")
    assert not EndedBlock.objects.exists()
    assert "已解封 1 条" in support.act(WHERE, "unblock", alice, reason="<b>查清")
    block = EndedBlock.objects.get()
    assert (block.ended_by, block.ended_reason) == (support.user.username, "<b>查清")
    page = timeline(support.page(page_of(alice)))
    assert page.index("解封：&lt;b&gt;查清") < page.index("封号：刷单")


def test_the_page_begins_with_the_figures_of_the_person(alice: User, support: Operator):
    User.objects.filter(pk=alice.pk).update(inviter=UserFactory(nickname="<i>师傅", phone="13800138000"))
    UserFactory(inviter=alice)
    credit(alice, "100")
    requested_withdrawal(alice)
    GroupFactory(user=alice)
    GroupFactory(user=alice, cancelled_at=timezone.now(), cancel_reason=CancelReason.OPERATOR)
    page = support.page(page_of(alice)).partition('class="figures"')[2].partition("</dl>")[0]
    shown = dict(part.split("</dt><dd>") for part in page.replace("</dd></div>", "").split("<div><dt>")[1:])
    assert shown == {
        "师傅": "&lt;i&gt;师傅 138****8000",
        "徒弟": "1 人",
        "封号": "0 次",
        "服务中的群": "1",
        "已注销的群": "1",
        "可提现": "80.00 元",
        "提现中": "20.00 元",
        "累计收益": "100.00 元",
        "待审核提现": "1",
    }


def test_a_note_is_added_on_the_page_of_a_user_and_of_a_group(alice: User, support: Operator):
    group = GroupFactory(user=alice)
    for where, row in ((WHERE, alice), ("groups/group", group)):
        assert 'id="note_form"' in support.page(f"{where}/{row.pk}/change/")
        assert "已添加备注 1 条" in add_note(support, where, row, "<b>老客户")
        assert "&lt;b&gt;老客户" in support.page(f"{where}/{row.pk}/change/")
    assert UserNote.objects.get().written_by == GroupNote.objects.get().written_by == support.user.username


def test_an_invisible_note_is_refused(alice: User, support: Operator):
    add_note(support, WHERE, alice, "\u200b")
    assert not UserNote.objects.exists()


def test_viewers_read_notes_and_write_none(alice: User, support: Operator):
    add_note(support, WHERE, alice, "老客户")
    viewer = Operator("viewer")
    add_note(viewer, WHERE, alice, "我也写")
    page = viewer.page(page_of(alice))
    assert ("老客户" in page, "我也写" in page, 'id="note_form"' in page) == (True, False, False)


def test_notes_are_never_shown_to_the_user(alice: User, support: Operator):
    add_note(support, WHERE, alice, "老客户")
    add_note(support, "groups/group", GroupFactory(user=alice), "老客户")
    for path in ("/user", "/groups?status=0"):
        assert "老客户" not in str(ApiClient(alice).get(path))


def test_erasing_the_person_deletes_notes_and_reasons(alice: User, support: Operator):
    add_note(support, WHERE, alice, "电话 13800138000")
    add_note(support, "groups/group", GroupFactory(user=alice), "电话 13800138000")
    support.act(WHERE, "block", alice, reason="刷单")
    support.act(WHERE, "unblock", alice, reason="电话 13800138000")
    erasure.erase(user=alice, by="root", at=timezone.now())
    assert not UserNote.objects.exists()
    assert not GroupNote.objects.exists()
    assert EndedBlock.objects.get().ended_reason == ""
    assert "13800138000" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))


def test_the_timeline_names_all_that_happened(alice: User, root: Operator):
    FriendshipFactory(user=alice)
    credit(alice, "100")
    root.act("earnings/withdrawal", "reject", requested_withdrawal(alice), reason="资料不符")
    group = GroupFactory(user=alice, name="<b>甲群")
    root.act("groups/group", "cancel", group, reason=CancelReason.OPERATOR)
    category = ProblemCategory.objects.get(title="机器人没有反应")
    problem = Problem.objects.create(
        user=alice, category=category, description="没有回复", reported_at=timezone.now()
    )
    root.act("feedback/problem", "answer_them", problem, answer="修好了")
    root.act(WHERE, "sign_out", alice)
    add_note(root, WHERE, alice, "老客户")
    page = timeline(root.page(page_of(alice)))
    expected = [
        "备注：老客户（root）",
        "答复反馈：修好了（root）",
        "反馈“机器人没有反应”：没有回复",
        "注销群“&lt;b&gt;甲群”：系统注销（root）",
        "提现 20.00 元：已拒绝 资料不符（root）",
        "提现 20.00 元：待审核",
        "补全资料",
    ]
    assert [page.index(text) for text in expected] == sorted(page.index(text) for text in expected)
    assert "退出登录（root）" in page  # at the time of the test's transaction
    assert "绑定群“&lt;b&gt;甲群”" in page
    assert "注册" in page


def test_the_timeline_is_paged_without_a_gap_also_at_one_moment(alice: User, support: Operator):
    start = timezone.now() - timedelta(days=2)
    moments = [start + timedelta(hours=n) for n in range(10)] + [start + timedelta(days=1)] * 110
    notes = [
        UserNote(user=alice, text=f"n{n:03}.", written_by="root", written_at=at) for n, at in enumerate(moments)
    ]
    UserNote.objects.bulk_create(notes)
    query, seen, pages = "", list[str](), 0
    while pages < 5:
        page = timeline(support.page(page_of(alice) + query))
        seen += [line.partition("（")[0] for line in page.split("备注：")[1:]]
        pages += 1
        if "更早" not in page:
            break
        query = page.partition('href="?')[2].partition("#")[0].join(["?", ""]).replace("&amp;", "&")
    assert pages == 3
    assert sorted(seen) == sorted(note.text for note in notes)


@pytest.mark.parametrize(
    "query", ["?until=x", "?until=2026-01-01", "?until=0001-01-01T00:00:00Z&skip=-5", "?skip=9999999"]
)
def test_a_wrong_address_shows_the_newest_events(alice: User, support: Operator, query: str):
    assert "补全资料" in timeline(support.page(page_of(alice) + query))


def test_the_timeline_shows_an_operator_no_events_of_lists_that_are_closed_to_them(alice: User):
    category = ProblemCategory.objects.get(title="机器人没有反应")
    Problem.objects.create(user=alice, category=category, description="没有回复", reported_at=timezone.now())
    assert "没有回复" not in Operator("finance").page(page_of(alice))


def test_the_page_takes_the_same_queries_however_much_happened(alice: User, support: Operator):
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            support.page(page_of(alice))
        counts.append(len(queries))
        for n in range(60):
            add_note(support, WHERE, alice, f"{n}")
            GroupFactory(user=alice)
    assert counts[0] == counts[1]


def test_the_buttons_to_lists_have_counts(alice: User, support: Operator, monkeypatch: pytest.MonkeyPatch):
    for _ in range(3):
        GroupFactory(user=alice)
    assert ">群 3</a>" in support.page(page_of(alice))
    monkeypatch.setattr("config.backoffice.changelist.MATCH_LIMIT", 2)
    assert ">群 2+</a>" in support.page(page_of(alice))


def test_a_block_looks_up_the_figures_of_all_users_at_once(root):
    users = [UserFactory(inviter=UserFactory()) for _ in range(12)]
    counts = []
    for chosen in (users[:2], users):
        with CaptureQueriesContext(connection) as queries:
            assert "师傅" in root.act("accounts/user", "block", *chosen, confirmed=False)
        counts.append(len(queries))
    assert counts[0] == counts[1]
