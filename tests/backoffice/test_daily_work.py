"""The daily work of operators and the messages of the pages."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from config.backoffice import dashboard
from config.models import DayFigure
from config.tasks import recount_figures
from earnings import withdrawals
from earnings.models import Payout, Withdrawal
from earnings.payouts import pauses
from feedback.models import Problem, ProblemCategory
from groups.models import Group
from robots.models import Robot
from tests.factories.money import withdrawal_of_new_user
from tests.factories.people import FriendshipFactory, GroupFactory, RobotFactory, UserFactory
from tests.support.admin_pages import Operator, shown_phones
from tests.support.entry_points import private_messages_to

pytestmark = pytest.mark.django_db


def reported(**fields) -> Problem:
    friendship = FriendshipFactory()
    category = ProblemCategory.objects.first()
    return Problem.objects.create(user=friendship.user, category=category, reported_at=timezone.now(), **fields)


def shown_on(page: str) -> str:
    """Return the hidden value of a confirmation page that identifies the rows shown."""
    return re.findall('name="shown" value="([^"]+)"', page)[0]


class TestHome:
    def test_the_dashboard_shows_waiting_work_with_its_total(self, root):
        withdrawal_of_new_user("50", phone="13800000001")
        withdrawal_of_new_user("20", phone="13800000002")
        page = root.page("")
        assert "<strong>2</strong><span>待审核提现</span><small>共 70.00 元</small>" in page
        assert "/admin/earnings/withdrawal/?status__exact=0" in page

    def test_a_role_sees_only_its_own_cares(self):
        page = Operator("support").page("")
        assert "待答复反馈" in page
        assert "待审核提现" not in page

    def test_a_pause_of_payouts_is_urgent(self, root):
        pauses.pause_payouts(by="root", reason="对账", at=timezone.now())
        assert '<li class="urgent"><a href="/admin/earnings/payout/">' in root.page("")

    def test_charts_show_each_day_and_store_past_days(self, root):
        last_week = timezone.localtime() - timedelta(days=7)
        GroupFactory(bound_at=last_week)
        assert f'aria-label="{last_week:%m-%d} 绑定 1' in root.page("")
        assert DayFigure.objects.get(name="groups.bound", day=last_week.date()).value == 1

    def test_late_rows_are_still_counted(self, root):
        yesterday = timezone.localtime() - timedelta(days=1)
        GroupFactory(bound_at=yesterday)
        root.page("")
        GroupFactory(bound_at=yesterday)
        cache.clear()  # ten minutes later
        assert f'aria-label="{yesterday:%m-%d} 绑定 2' in root.page("")

    def test_days_that_were_imported_later_are_counted_the_next_night(self, root):
        last_week = timezone.localtime() - timedelta(days=7)
        GroupFactory(bound_at=last_week)
        root.page("")
        GroupFactory(bound_at=last_week)
        assert f'aria-label="{last_week:%m-%d} 绑定 1' in root.page("")
        assert recount_figures() == 1
        assert f'aria-label="{last_week:%m-%d} 绑定 2' in root.page("")
        assert recount_figures() == 0

    def test_days_nobody_looked_at_are_counted_at_night(self):
        GroupFactory(bound_at=timezone.localtime() - timedelta(days=20))
        recount_figures()
        assert DayFigure.objects.filter(name="groups.bound").count() == dashboard.DAYS - dashboard.LATE_DAYS - 1
        assert DayFigure.objects.get(name="groups.bound", value=1).day == timezone.localdate() - timedelta(days=20)

    def test_operators_are_no_new_users(self, root):
        UserFactory(code=None)
        Operator("viewer", code="wx-of-an-operator")  # a robot has met this operator too
        today = f"{timezone.localdate():%m-%d}"
        assert f'aria-label="{today} 注册 2' in root.page("")

    def test_it_takes_few_queries_once_the_days_are_counted(self, root, django_assert_max_num_queries):
        root.page("")
        with django_assert_max_num_queries(15):
            root.page("")

    def test_nothing_on_it_comes_from_another_host(self, root):
        assert "://" not in root.page("").replace("http://www.w3.org", "")


class TestWithdrawals:
    @pytest.mark.parametrize(
        ("query", "phones"),
        [
            ({"q": "0002"}, ["13800000002"]),
            ({"amount_from": "50"}, ["13800000002", "13800000003"]),
            ({"amount_from": "50", "amount_to": "50"}, ["13800000002"]),
            ({"amount_from": "x"}, []),
            ({"status__exact": "2"}, []),
            ({"paid_at_from": "2020-01-01"}, []),
            ({"asked_at_to": "not a day"}, []),
        ],
    )
    def test_filters(self, root, query, phones):
        withdrawal_of_new_user("20", phone="13800000001")
        withdrawal_of_new_user("50", phone="13800000002")
        withdrawal_of_new_user("100", phone="13800000003")
        assert shown_phones(root.page("earnings/withdrawal/", **query)) == phones

    def test_days_are_both_included(self, root):
        withdrawal_of_new_user(phone="13800000001", days_ago=1)
        withdrawal_of_new_user(phone="13800000002", days_ago=2)
        day = (timezone.localtime() - timedelta(days=1)).date()
        page = root.page("earnings/withdrawal/", asked_at_from=day, asked_at_to=day)
        assert shown_phones(page) == ["13800000001"]

    @pytest.mark.parametrize(("order", "phones"), [("5", "123"), ("-5", "321"), ("1", "321"), ("-1", "123")])
    def test_sorted_by_amount_and_by_when_it_was_asked(self, root, order, phones):
        for number, yuan in ((1, "20"), (2, "50"), (3, "100")):
            withdrawal_of_new_user(yuan, days_ago=number, phone=f"1380000000{number}")
        page = root.page("earnings/withdrawal/", o=order)
        found = sorted(phones, key=lambda number: page.index(f"1380000000{number}"))
        assert "".join(found) == phones

    @pytest.mark.parametrize(("order", "phones"), [("12", "123"), ("-12", "321")])
    def test_sorted_by_when_it_was_paid(self, root, order, phones):
        for number in "123":
            withdrawal = withdrawal_of_new_user(phone=f"1380000000{number}")
            withdrawals.approve([withdrawal.pk], by="root", at=timezone.now())
            withdrawal.refresh_from_db()
            withdrawals.mark_paid(withdrawal, at=timezone.now() + timedelta(minutes=int(number)))
        page = root.page("earnings/withdrawal/", o=order)
        assert "".join(sorted(phones, key=lambda number: page.index(f"1380000000{number}"))) == phones

    def test_the_review_page_warns_and_offers_both_decisions(self, root):
        withdrawal = withdrawal_of_new_user("100", phone="13800000001")
        page = root.page(f"earnings/withdrawal/{withdrawal.pk}/change/")
        assert "金额较大，但没有实名" in page
        assert "没有服务中的群" in page
        assert 'value="approve"' in page
        assert 'value="reject"' in page

    def test_a_reviewed_withdrawal_has_no_actions(self, root):
        withdrawal = withdrawal_of_new_user(phone="13800000001")
        root.act("earnings/withdrawal", "reject", withdrawal, reason="资料不符")
        page = root.page(f"earnings/withdrawal/{withdrawal.pk}/change/")
        assert 'value="approve"' not in page

    def test_rows_that_came_in_meanwhile_are_asked_about_anew(self, root):
        first = withdrawal_of_new_user(phone="13800000001")
        withdrawal_of_new_user(phone="13800000002")
        page = root.act(
            "earnings/withdrawal", "approve", first, select_across="1", shown="1 其中待审核 1 条，共 20.00 元"
        )
        assert "所选内容在确认之前有了变化" in page
        assert set(Withdrawal.objects.values_list("status", flat=True)) == {0}

    def test_others_of_the_same_number_and_total_are_asked_about_anew(self, root):
        first, decided = withdrawal_of_new_user(phone="13800000001"), withdrawal_of_new_user(phone="13800000002")
        waiting = "earnings/withdrawal/?status__exact=0"
        page = root.act(waiting, "approve", first, select_across="1", confirmed=False)
        root.act("earnings/withdrawal", "reject", decided, reason="资料不符")
        withdrawal_of_new_user(phone="13800000003")
        page = root.act(waiting, "approve", first, select_across="1", shown=shown_on(page))
        assert "所选内容在确认之前有了变化" in page
        assert not Payout.objects.exists()

    def test_the_action_applies_to_the_rows_shown(self, root):
        first = withdrawal_of_new_user(phone="13800000001")
        withdrawal_of_new_user(phone="13800000002")
        page = root.act("earnings/withdrawal", "approve", first, select_across="1", confirmed=False)
        root.act("earnings/withdrawal", "approve", first, select_across="1", shown=shown_on(page))
        assert Payout.objects.count() == 2

    def test_too_many_at_once_are_refused(self, root, monkeypatch):
        first = withdrawal_of_new_user(phone="13800000001")
        withdrawal_of_new_user(phone="13800000002")
        monkeypatch.setattr("config.backoffice.actions.MAX_ROWS", 1)
        page = root.act("earnings/withdrawal", "approve", first, select_across="1")
        assert "一次最多处理 1 条，现在选中了 2 条" in page
        monkeypatch.setattr("config.backoffice.changelist.COUNT_LIMIT", 1)
        assert "现在选中了 1+ 条" in root.act("earnings/withdrawal", "approve", first, select_across="1")


class TestFeedback:
    def test_closing_needs_a_reason_and_sends_nothing_to_the_user(self, root):
        problem = reported()
        root.act("feedback/problem", "close", problem, reason="重复")
        problem.refresh_from_db()
        assert (problem.closed_by, problem.closed_reason, problem.answer) == ("root", "重复", "")

    def test_a_closed_problem_is_not_answered(self, root):
        problem = reported()
        root.act("feedback/problem", "close", problem, reason="重复")
        assert "之前已经答复或关闭" in root.act("feedback/problem", "answer_them", problem, answer="好的")

    @pytest.mark.parametrize("answer", ["\u200b", " \ufeff", "\u3164"])
    def test_an_invisible_answer_is_refused(self, root, answer):
        problem = reported()
        root.act("feedback/problem", "answer_them", problem, answer=answer)
        problem.refresh_from_db()
        assert (problem.answered_at, private_messages_to(problem.user.code)) == (None, [])

    def test_an_answer_is_sent_by_the_robot(self, root):
        problem = reported()
        assert "已答复 1 条" in root.act("feedback/problem", "answer_them", problem, answer="已经修好了")
        assert "已经修好了" in private_messages_to(problem.user.code)[-1]

    def test_an_answer_that_reaches_nobody_stays_open_with_a_message(self, root):
        problem = reported()
        Robot.objects.update(status=Robot.Status.REMOVED)
        asked = root.act("feedback/problem", "answer_them", problem, reported(), confirmed=False)
        assert "其中 1 条的用户没有可用的机器人" in asked
        assert "用户没有可用的机器人" in root.act("feedback/problem", "answer_them", problem, answer="好的")
        assert Problem.objects.filter(Problem.OPEN).count() == 2

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ({"robot_code": "r-a"}, ["甲群"]),
            ({"group_name": "乙群"}, ["乙群"]),
            ({"reported_at_from": "2100-01-01"}, []),
            ({"reported_at_to": "2100-01-01"}, ["甲群", "乙群"]),
        ],
    )
    def test_filters(self, root, query, names):
        reported(group_name="甲群", robot=RobotFactory(code="r-a"))
        reported(group_name="乙群")
        page = root.page("feedback/problem/", **query)
        assert [name for name in ("甲群", "乙群") if f">{name}<" in page] == names

    def test_by_category(self, root):
        first, second = ProblemCategory.objects.all()[:2]
        reported(group_name="甲群")
        Problem.objects.filter(pk=reported(group_name="乙群").pk).update(category=second)
        page = root.page("feedback/problem/", category__id__exact=second.pk)
        assert (">甲群<" in page, ">乙群<" in page) == (False, True)
        assert f'<option value="{first.pk}">' in page

    @pytest.mark.parametrize(("state", "names"), [("open", ["甲群"]), ("closed", ["乙群"]), ("answered", [])])
    def test_by_state(self, root, state, names):
        reported(group_name="甲群")
        root.act("feedback/problem", "close", reported(group_name="乙群"), reason="重复")
        page = root.page("feedback/problem/", state=state)
        assert [name for name in ("甲群", "乙群") if f">{name}<" in page] == names


def test_a_persons_page_leads_to_everything_of_theirs(root):
    alice = UserFactory(inviter=UserFactory(nickname="bob"))
    page = root.page(f"accounts/user/{alice.pk}/change/")
    for where in ("earnings/withdrawal/?user", "groups/group/?user", "earnings/ledgerentry/?account__user"):
        assert f"/admin/{where}={alice.pk}" in page
    assert "bob" in page


def test_an_invisible_title_is_refused(root):
    root.http.post("/admin/feedback/problemcategory/add/", {"title": "\u200b\u202e", "seq_no": 9, "type": 4})
    root.http.post("/admin/feedback/problemcategory/add/", {"title": "\ufeff提现\u200b", "seq_no": 9, "type": 4})
    assert list(ProblemCategory.objects.filter(seq_no=9).values_list("title", flat=True)) == ["提现"]


def test_a_list_reached_from_a_person_shows_only_theirs(root):
    alice = GroupFactory(name="甲群").user
    GroupFactory(name="乙群")
    page = root.page("groups/group/", user=alice.pk)
    assert ("甲群" in page, "乙群" in page) == (True, False)


def test_payouts_are_paused_and_resumed_with_buttons(root):
    assert "已暂停打款" in root.clicks("earnings/payout", "pause", confirmed="yes", reason="对账")
    assert "打款已经暂停" in root.clicks("earnings/payout", "pause", confirmed="yes", reason="对账")
    assert "等待中的打款会立即发出" in root.clicks("earnings/payout", "resume")
    assert pauses.open_pause() is not None
    assert "已恢复打款" in root.clicks("earnings/payout", "resume", confirmed="yes")


def test_a_button_is_for_those_who_may():
    assert Operator("viewer").http.post("/admin/earnings/payout/do/pause/").status_code == 403


def test_groups_are_cancelled_in_bulk(root):
    groups = [GroupFactory() for _ in range(3)]
    assert "已注销 3 条" in root.act("groups/group", "cancel", *groups, reason=4)
    assert not Group.objects.active().exists()


def test_operators_cannot_choose_reasons_that_robots_detect(root):
    page = root.act("groups/group", "cancel", group := GroupFactory(), confirmed=False)
    assert re.findall(r'<option value="(\d)"', page) == ["1", "2", "4", "5", "7"]
    root.act("groups/group", "cancel", group, reason=6)
    assert Group.objects.active().exists()


def test_group_messages_are_not_listed_before_a_search(root):
    assert "请先搜索或筛选。" in root.page("groups/groupmessage/")
