"""Operators answer a problem on its own page: question, answers with their delivery, assignment, standard replies."""

from typing import Any

import pytest
from django.utils import timezone

from accounts import erasure
from config.models import AuditEntry
from feedback.models import Problem, ProblemAnswer, ProblemCategory, StandardReply
from robots.models import OutboxMessage, Robot
from tests.factories.people import FriendshipFactory, RobotFactory, UserFactory
from tests.support.admin_pages import Operator
from tests.support.entry_points import private_messages_to, send_due_messages
from tests.support.outbox import fail_messages

pytestmark = pytest.mark.django_db


@pytest.fixture
def problem() -> Problem:
    user = UserFactory(nickname="<b>爱丽丝", phone="13800138000")
    FriendshipFactory(user=user, robot=RobotFactory(code="sandbox-robot-1"))
    category = ProblemCategory.objects.get(title="机器人没有反应")
    return Problem.objects.create(
        user=user,
        category=category,
        group_name="测试群",
        description="三天没有<i>回复</i>",
        reported_at=timezone.now(),
    )


@pytest.fixture
def lily() -> Operator:
    return Operator("support", username="lily")


def page_of(problem: Problem) -> str:
    return f"feedback/problem/{problem.pk}/change/"


def answer(operator: Operator, problem: Problem, text: str, seen: int = 0) -> str:
    """Send an answer from the page of the problem. Returns the page that follows."""
    where = f"/admin/feedback/problem/{problem.pk}/answer/"
    return str(operator.http.post(where, {"answer": text, "seen": seen}, follow=True).text)


def test_the_page_shows_the_question_and_the_person(support: Operator, problem: Problem):
    page = support.page(page_of(problem))
    for text in ("三天没有&lt;i&gt;回复", "&lt;b&gt;爱丽丝 138****8000", "机器人没有反应", "测试群"):
        assert text in page
    assert f"/admin/accounts/user/{problem.user_id}/change/" in page
    assert "关于你反馈的「机器人没有反应」：" in page


def test_an_answer_from_the_page_reaches_the_user(support: Operator, problem: Problem):
    assert "答复已交给机器人发送" in answer(support, problem, "已经修好")
    assert private_messages_to(problem.user.code) == ["关于你反馈的「机器人没有反应」：已经修好"]
    problem.refresh_from_db()
    assert (problem.answer, problem.answered_by) == ("已经修好", support.user.username)


@pytest.mark.parametrize("sent", [False, True])
def test_the_page_shows_whether_an_answer_was_delivered(
    support: Operator, problem: Problem, sandbox: Any, sent: bool
):
    answer(support, problem, "已经修好")
    if sent:
        send_due_messages()
    page = support.page(page_of(problem))
    assert ("等待发送" in page, ">已发送</a>" in page) == (not sent, sent)


def test_the_page_shows_why_an_answer_failed(support: Operator, problem: Problem, sandbox: Any):
    answer(support, problem, "已经修好")
    fail_messages(sandbox)
    assert "发送失败" in support.page(page_of(problem))


def test_an_answer_whose_message_is_deleted_keeps_its_line(support: Operator, problem: Problem):
    answer(support, problem, "已经修好")
    OutboxMessage.objects.all().delete()
    assert "发送记录已清理" in support.page(page_of(problem))


def test_a_second_answer_corrects_the_first(support: Operator, problem: Problem):
    answer(support, problem, "明天修好")
    answer(support, problem, "后天修好", seen=1)
    assert [text[-4:] for text in private_messages_to(problem.user.code)] == ["明天修好", "后天修好"]
    page = support.page(page_of(problem))
    assert "明天修好" in page
    assert "后天修好" in page
    problem.refresh_from_db()
    assert problem.answer == "后天修好"


def test_of_two_operators_the_second_sees_the_answer_of_the_first(
    support: Operator, lily: Operator, problem: Problem
):
    answer(lily, problem, "明天修好")
    page = answer(support, problem, "后天修好")
    assert "lily 刚刚答复过" in page
    assert ">\n后天修好</textarea>" in page
    assert "明天修好" in page
    assert len(private_messages_to(problem.user.code)) == 1


def test_a_closed_problem_is_not_answered_from_the_page(support: Operator, problem: Problem):
    support.act("feedback/problem", "close", problem, reason="重复")
    assert 'id="answer_form"' not in support.page(page_of(problem))
    assert "已经关闭" in answer(support, problem, "好的")
    assert not ProblemAnswer.objects.exists()


def test_an_answer_that_cannot_arrive_is_not_sent(support: Operator, problem: Problem):
    Robot.objects.update(status=Robot.Status.REMOVED)
    assert "现在收不到答复" in support.page(page_of(problem))
    assert "没有可用的机器人，收不到答复" in answer(support, problem, "好的")
    assert not ProblemAnswer.objects.exists()


def test_an_invisible_answer_from_the_page_is_not_sent(support: Operator, problem: Problem):
    assert 'class="errornote"' in answer(support, problem, "\u200b")
    assert not ProblemAnswer.objects.exists()


def test_only_operators_who_may_answer_have_the_box(problem: Problem):
    viewer = Operator("viewer")
    assert 'id="answer_form"' not in viewer.page(page_of(problem))
    answer(viewer, problem, "好的")
    assert not ProblemAnswer.objects.exists()


def test_standard_replies_are_edited_by_support_and_offered_with_the_answer(support: Operator, problem: Problem):
    support.http.post("/admin/feedback/standardreply/add/", {"title": "到账时间", "text": "三个工作日\n内<到账>"})
    assert StandardReply.objects.get().text == "三个工作日\n内<到账>"
    assert '<option value="三个工作日\n内&lt;到账&gt;">到账时间</option>' in support.page(page_of(problem))


def test_a_problem_is_assigned_to_one_operator(support: Operator, lily: Operator, problem: Problem):
    assert "已由你处理 1 条" in lily.act("feedback/problem", "take", problem)
    assert "已有接手人" in support.act("feedback/problem", "take", problem)
    assert "lily 正在处理" in support.page(page_of(problem))
    assert "正在处理" not in lily.page(page_of(problem))


def test_another_operator_can_release_a_problem(support: Operator, lily: Operator, problem: Problem):
    lily.act("feedback/problem", "take", problem)
    support.act("feedback/problem", "release", problem)
    support.act("feedback/problem", "take", problem)
    problem.refresh_from_db()
    assert problem.assigned_to == support.user.username


@pytest.mark.parametrize(("assigned", "names"), [("mine", ["测试群"]), ("nobody", ["乙群"]), ("other", [])])
def test_problems_are_filtered_by_assignment(lily: Operator, problem: Problem, assigned: str, names: list[str]):
    fields = {"user": problem.user, "category": problem.category, "reported_at": timezone.now()}
    Problem.objects.create(group_name="乙群", **fields)
    lily.act("feedback/problem", "take", problem)
    page = lily.page("feedback/problem/", assigned=assigned)
    assert [name for name in ("测试群", "乙群") if f">{name}<" in page] == names


def test_the_confirmation_of_several_answers_names_person_and_question(support: Operator, problem: Problem):
    page = support.act("feedback/problem", "answer_them", problem, confirmed=False)
    assert "&lt;b&gt;爱丽丝 138****8000 · 机器人没有反应 · 测试群 · 三天没有&lt;i&gt;回复" in page
    assert str(problem.pk) not in page.partition("<ul>")[2].partition("</ul>")[0]


def test_erasing_a_person_deletes_the_texts_of_the_answers(support: Operator, problem: Problem):
    answer(support, problem, "您的号码 13800138000")
    erasure.erase(user=problem.user, by="root", at=timezone.now())
    assert ProblemAnswer.objects.get().text == "（已删除）"
    assert "13800138000" not in str(list(AuditEntry.objects.values_list("changes", flat=True)))
