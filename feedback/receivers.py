"""Receivers of signals: remove an erased person's conversations and the texts of problems."""

from typing import Any

from django.db.models import Case, Value, When
from django.dispatch import receiver

from accounts.erasure import DELETED_TEXT
from accounts.models import User
from accounts.signals import user_erased
from config.platform import audit
from feedback.models import Conversation, Problem, ProblemAnswer


@receiver(user_erased)
def erase_feedback(*, user: User, **_: Any) -> None:
    """Delete the user's conversations with customer service, and the texts of problems; the rows of problems stay."""
    Conversation.objects.filter(user=user).delete()
    problems = Problem.objects.filter(user=user)
    problems.update(
        group_name="",
        description=DELETED_TEXT,
        answer=Case(When(answer="", then=Value("")), default=Value(DELETED_TEXT)),
        closed_reason=Case(When(closed_reason="", then=Value("")), default=Value(DELETED_TEXT)),
    )
    audit.mask(
        Problem, problems.values_list("pk", flat=True), ("group_name", "description", "answer", "closed_reason")
    )
    answers = ProblemAnswer.objects.filter(problem__in=problems)
    answers.update(text=DELETED_TEXT)
    audit.mask(ProblemAnswer, answers.values_list("pk", flat=True), ("text",))
