"""Reporting problems and answering them."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from config.errors import BadRequest, NotFound
from config.platform.lookups import has_id
from feedback.models import Problem, ProblemAnswer, ProblemCategory
from robots.friendships import WORKING, latest_robot_of
from robots.models import Friendship, Robot, Source, SourceType
from robots.outbox import writing

Type = ProblemCategory.Type
_NEEDED = {
    Type.ROBOT: ("robot_id",),
    Type.ROBOT_AND_GROUP: ("robot_id", "group_name"),
    Type.NOTHING: (),
    Type.DESCRIPTION: ("description",),
}

_TITLES = {"robot_id": "机器人", "group_name": "群名", "description": "问题描述"}


class CategoryUnknown(NotFound):
    field = "problem_catgory"
    message = "没有这个问题分类"


class RobotUnknown(NotFound):
    field = "robot_id"
    message = "没有这个机器人"


def report_problem(
    *, user: User, category_id: str, robot_reference: str, group_name: str, description: str, at: datetime
) -> ProblemCategory:
    """Store a report. Returns its category. Raises BadRequest (1403) when a field that its type needs is missing."""
    category = ProblemCategory.objects.filter(has_id(category_id), is_shown=True).first()
    if category is None:
        raise CategoryUnknown
    fields = {"robot_id": robot_reference, "group_name": group_name, "description": description}
    for name in _NEEDED[Type(category.type)]:
        if not fields[name]:
            raise BadRequest(f"请填写{_TITLES[name]}", field=name)
    robot = Robot.objects.by_reference(robot_reference).first() if robot_reference else None
    if robot_reference and robot is None:
        raise RobotUnknown
    Problem.objects.create(
        user=user, category=category, robot=robot, group_name=group_name, description=description, reported_at=at
    )
    return category


def text_of_answer(problem: Problem, answer: str) -> str:
    """Return the message that the user receives for an answer."""
    return f"关于你反馈的「{problem.category.title}」：{answer}"


def answer_problem(*, problem: Problem, text: str, by: str, at: datetime, seen: int = 0) -> bool:
    """Answer a report through the robot that the user added last. `seen`: the number of answers that the operator saw.

    Returns False when the report has another number of answers or was closed, or when the user has no robot; then it
    stays as it is.
    """
    user, robot = problem.user, latest_robot_of(problem.user)
    if robot is None or not user.code:
        return False
    with transaction.atomic():
        unclosed = Problem.objects.select_for_update().filter(pk=problem.pk, closed_at=None)
        if not unclosed.values_list("pk") or ProblemAnswer.objects.filter(problem=problem).count() != seen:
            return False
        message = writing.message_user(
            robot=robot,
            user_code=user.code,
            content=writing.text(text_of_answer(problem, text)),
            source=Source(SourceType.PROBLEM, str(problem.pk)),
            at=at,
        )
        answer = {"answered_at": at, "answered_by": by}
        ProblemAnswer.objects.create(problem=problem, text=text, message_no=message.message_no, **answer)
        Problem.objects.filter(pk=problem.pk).update(answer=text, **answer)
    return True


def assign_problems(keys: Iterable[UUID], *, to: str, at: datetime) -> int:
    """Assign open reports that nobody works on to an operator. Returns how many."""
    unassigned = Problem.objects.filter(Problem.OPEN, pk__in=list(keys), assigned_to="")
    return unassigned.update(assigned_to=to, assigned_at=at)


def unassign_problems(keys: Iterable[UUID]) -> int:
    """Remove the operator from open reports. Returns how many."""
    assigned = Problem.objects.filter(Problem.OPEN, pk__in=list(keys)).exclude(assigned_to="")
    return assigned.update(assigned_to="", assigned_at=None)


def with_unreachable_user(reports: QuerySet[Problem]) -> QuerySet[Problem]:
    """Return the open reports whose user has no working robot that could pass on an answer."""
    working_robots = Friendship.objects.filter(user=OuterRef("user"), robot__status__in=WORKING)
    return reports.filter(Problem.OPEN).filter(~Exists(working_robots) | Q(user__code=None))


def close_problems(keys: Iterable[UUID], *, reason: str, by: str, at: datetime) -> int:
    """Close reports that need no answer, except those answered or closed before. Returns how many were closed."""
    waiting = Problem.objects.filter(Problem.OPEN, pk__in=list(keys))
    return waiting.update(closed_at=at, closed_by=by, closed_reason=reason[:200])
