"""A user's mass messages when the person is erased."""

from contextlib import suppress
from datetime import datetime

from accounts.erasure import DELETED
from accounts.models import User
from integrations.gateway.payloads import MessageType
from launches import mass_message_results
from launches.models import MassMessage, MassMessageDraft
from robots.models import OutboxMessage

_DELETED_CONTENT = {"type": MessageType.TEXT, "content": DELETED, "title": "", "desc": "", "url": ""}


def forget_mass_messages_of(user: User, *, at: datetime) -> None:
    """Take back what can be taken back, and remove the content of all; when they went out and to whom stays."""
    messages = MassMessage.objects.filter(user=user)
    for message in messages.exclude(status=MassMessage.Status.RECALLED):
        with suppress(mass_message_results.RecallTooLate):
            mass_message_results.recall(user=user, message_id=str(message.pk), at=at)
    MassMessageDraft.objects.filter(user=user).delete()
    said = OutboxMessage.objects.filter(cause__in=[message.cause for message in messages])
    said.update(content={})
    messages.update(contents=[_DELETED_CONTENT])
