"""The problems of a user in the timeline on the user's page."""

from collections.abc import Iterable

from django.utils.translation import gettext

from accounts.models import User
from config.backoffice.timeline import Span, TimelineEvent, register_timeline
from feedback.models import Problem, ProblemAnswer

_ANSWERED = 1_000  # the newest problems of a user, whose answers a page of the timeline looks at


def _reports(user: User, span: Span) -> Iterable[TimelineEvent]:
    for row in span.rows(Problem.objects.filter(user=user).select_related("category"), "reported_at"):
        text = gettext("反馈“%(category)s”：%(text)s") % {"category": row.category.title, "text": row.description}
        yield TimelineEvent(row.reported_at, text.rstrip("：: "))


def _answers(user: User, span: Span) -> Iterable[TimelineEvent]:
    reported = Problem.objects.filter(user=user, reported_at__lte=span.until).order_by("-reported_at")
    newest = reported.values("pk")[:_ANSWERED]
    for row in span.rows(ProblemAnswer.objects.filter(problem__in=newest), "answered_at"):
        yield TimelineEvent(row.answered_at, gettext("答复反馈：%s") % row.text, row.answered_by)


def _closings(user: User, span: Span) -> Iterable[TimelineEvent]:
    for row in span.rows(Problem.objects.filter(user=user), "closed_at"):
        yield TimelineEvent(row.closed_at, gettext("关闭反馈：%s") % row.closed_reason, row.closed_by)


register_timeline("accounts.user", _reports, _answers, _closings, permission="feedback.view_problem")
