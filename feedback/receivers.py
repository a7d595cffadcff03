"""What feedback does when a person is erased."""

from typing import Any

from django.db.models import Case, Value, When
from django.dispatch import receiver

from accounts.models import User
from accounts.signals import user_erased
from config.backoffice import audit
from feedback.models import Conversation, Problem

_WORDS = "（已删除）"


@receiver(user_erased)
def forget_words(*, user: User, **_: Any) -> None:
    """Delete the user's talks with customer service, and the words of problems; that there were some stays."""
    Conversation.objects.filter(user=user).delete()
    problems = Problem.objects.filter(user=user)
    problems.update(
        group_name="",
        description=_WORDS,
        answer=Case(When(answer="", then=Value("")), default=Value(_WORDS)),
        closed_reason=Case(When(closed_reason="", then=Value("")), default=Value(_WORDS)),
    )
    audit.mask(
        Problem, problems.values_list("pk", flat=True), ("group_name", "description", "answer", "closed_reason")
    )
