"""Erasure of a person's mass messages."""

from contextlib import suppress
from datetime import datetime

from accounts.erasure import DELETED_TEXT
from accounts.models import User
from config.platform import audit
from integrations.gateway.payloads import MessageType
from launches import mass_message_results
from launches.models import MassMessage, MassMessageDraft
from robots.models import OutboxMessage, written_for

_DELETED_CONTENT = {"type": MessageType.TEXT, "content": DELETED_TEXT, "title": "", "desc": "", "url": ""}


def forget_mass_messages_of(user: User, *, at: datetime) -> None:
    """Recall the mass messages that can be recalled, and remove the content of all. Times and groups stay."""
    messages = MassMessage.objects.filter(user=user)
    for message in messages.exclude(status=MassMessage.Status.RECALLED):
        with suppress(mass_message_results.RecallTooLate):
            mass_message_results.recall(user=user, message_id=str(message.pk), at=at)
    MassMessageDraft.objects.filter(user=user).delete()
    sent = OutboxMessage.objects.filter(written_for(message.source for message in messages))
    sent.update(content={})
    messages.update(contents=[_DELETED_CONTENT])
    recalled = messages.exclude(recall_reason="")
    recalled.update(recall_reason=DELETED_TEXT)
    audit.mask(MassMessage, recalled.values_list("pk", flat=True), ["recall_reason"])
