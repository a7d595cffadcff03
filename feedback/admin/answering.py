"""The box in which an operator answers a problem, with the earlier answers and the standard replies."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.backoffice.texts import VisibleCharField
from feedback import problems
from feedback.models import LONGEST_ANSWER, Problem, StandardReply
from robots.friendships import latest_robot_of
from robots.models import OutboxMessage

PERMISSION = "feedback.answer_problem"
Status = OutboxMessage.Status
_DELIVERY = {
    Status.WAITING: _("等待发送"),
    Status.SENT: _("已发送"),
    Status.FAILED: _("发送失败"),
    Status.CLOSED: _("已取消"),
}


class AnswerForm(forms.Form):
    answer = VisibleCharField(
        label=_("答复"), max_length=LONGEST_ANSWER, widget=forms.Textarea(attrs={"rows": 4, "cols": 60})
    )


class AnswerFromPageForm(AnswerForm):
    """An answer with the number of earlier answers that the page showed."""

    seen = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


def box_contents(
    request: HttpRequest, problem: Problem, *, typed: str = "", errors: Mapping[str, Any] | None = None
) -> Any:
    """Return the context of the box: the earlier answers, and for operators who may answer also the form."""
    answers = _answers(problem)
    context: dict[str, Any] = {"answers": answers}
    if problem.closed_at is None and request.user.has_perm(PERMISSION):
        context |= {
            "answer_form": AnswerFromPageForm(initial={"answer": typed, "seen": len(answers)}),
            "answer_errors": [error for each in (errors or {}).values() for error in each],
            "prefix": problems.text_of_answer(problem, ""),
            "standard_replies": StandardReply.objects.all(),
            "is_unreachable": not problem.user.code or latest_robot_of(problem.user) is None,
            "works_on_it": problem.assigned_to if problem.assigned_to != request.user.get_username() else "",
        }
    return context


def _answers(problem: Problem) -> list[dict[str, Any]]:
    """Return the answers with the state of their messages. The outbox deletes old messages, which were sent."""
    rows = list(problem.answers.all())
    numbers = [row.message_no for row in rows]
    found = OutboxMessage.objects.filter(message_no__in=numbers).values_list(
        "message_no", "pk", "status", "last_error"
    )
    messages = {number: (pk, _DELIVERY[Status(status)], error) for number, pk, status, error in found}
    gone = (None, gettext("发送记录已清理"), "")
    names = ("message", "state", "error")
    return [{"answer": row, **dict(zip(names, messages.get(row.message_no, gone), strict=True))} for row in rows]


def why_not_sent(problem: Problem, seen: int) -> str:
    """Return why an answer was not sent."""
    last = problem.answers.last()
    if last and problem.answers.count() != seen:
        return gettext("没有发送：%s 刚刚答复过，请看清楚后再发送。") % last.answered_by
    if Problem.objects.filter(pk=problem.pk, closed_at__isnull=False).exists():
        return gettext("没有发送：这条反馈已经关闭。")
    return gettext("没有发送：用户没有可用的机器人，收不到答复。")
