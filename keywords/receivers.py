"""Receivers of signals: delete the keywords of an erased person."""

from typing import Any

from django.dispatch import receiver

from accounts.models import User
from accounts.signals import user_erased
from config.platform import audit
from keywords.models import KeywordBatch, KeywordReply


@receiver(user_erased)
def forget_keywords(*, user: User, **_: Any) -> None:
    """Delete the user's keywords, and the times of replies to the person."""
    batches = KeywordBatch.objects.filter(user=user)
    audit.mask(KeywordBatch, batches.values_list("pk", flat=True), ["keywords", "reply_content", "pause_reason"])
    batches.delete()
    if user.code:
        KeywordReply.objects.filter(speaker_code=user.code).delete()
