"""Receivers of signals: cancel the groups of an erased person, and remove the person's names and texts."""

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef
from django.dispatch import receiver

from accounts.erasure import DELETED_TEXT, ERASED_NAME
from accounts.models import User
from accounts.signals import user_erased
from config.platform import audit
from groups import cancelling
from groups.models import CancelReason, Group, GroupMessage, GroupNote, Member, MemberMove, Reminder
from robots.erasing import forget_person
from robots.models import OutboxMessage, SourceType
from robots.outbox import writing


@receiver(user_erased)
def forget_in_groups(*, user: User, pseudonym: str, by: str, at: datetime, **_: Any) -> None:
    """Cancel the groups that are served for the user, and put the pseudonym in the place of the person's code."""
    served = Group.objects.served_for(user).values_list("pk", flat=True)
    cancelling.cancel_groups(group_ids=list(served), reason=CancelReason.OPERATOR, by=by, at=at)
    Group.objects.filter(user=user).update(welcome_message="")
    lifted = Group.objects.filter(user=user).exclude(ban_lifted_reason="")
    lifted.update(ban_lifted_reason=DELETED_TEXT)
    audit.mask(Group, lifted.values_list("pk", flat=True), ["ban_lifted_reason"])
    notes = GroupNote.objects.filter(group__user=user)
    audit.mask(GroupNote, notes.values_list("pk", flat=True), ["text"])
    notes.delete()
    Reminder.objects.filter(user=user).delete()
    forget_person(user, pseudonym=pseudonym, at=at)
    _clear_robot_messages_for(user)
    if user.code:
        Group.objects.filter(wechat_owner_code=user.code).update(wechat_owner_code=pseudonym)
        Member.objects.filter(code=user.code).update(code=pseudonym, nickname=ERASED_NAME, avatar_url="")
        MemberMove.objects.filter(member_code=user.code).update(member_code=pseudonym)
        GroupMessage.objects.filter(sender_code=user.code).update(
            sender_code=pseudonym, content=writing.text(DELETED_TEXT)
        )


def _clear_robot_messages_for(user: User) -> None:
    """Clear replies, welcome messages and keyword replies, which the user wrote; launches have other authors."""
    served_when_sent = Group.objects.filter(
        user=user,
        code=OuterRef("group_code"),
        bound_at__lte=OuterRef("created_at"),
        cancelled_at__gte=OuterRef("created_at"),
    )
    messages = OutboxMessage.objects.filter(
        Exists(served_when_sent),
        operation=OutboxMessage.Operation.SEND,
        status__in=[OutboxMessage.Status.SENT, OutboxMessage.Status.CLOSED],
    )
    messages.exclude(source_type=SourceType.LAUNCH).update(content={})
