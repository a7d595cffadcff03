"""Welcoming members: what the robot says to newcomers, at most once in five minutes per group."""

from datetime import datetime, timedelta

from django.db.models import Q

from config.platform.characters import is_visible
from groups.models import Group
from integrations.moderation.words import require_clean
from robots.outbox import writing

WELCOME_INTERVAL = timedelta(minutes=5)


def set_welcome(*, group: Group, words: str) -> None:
    """What is said to newcomers; nothing switches it off. 2003 on a sensitive word."""
    require_clean(words)
    Group.objects.filter(pk=group.pk).update(welcome_message=words)


def send_welcome(*, group: Group, member_code: str, cause: str, at: datetime) -> bool:
    """Welcome a newcomer; false when there is nothing to say or it was said a moment ago."""
    if not is_visible(group.welcome_message):
        return False
    due = Group.objects.active().filter(
        Q(welcomed_at=None) | Q(welcomed_at__lte=at - WELCOME_INTERVAL), pk=group.pk
    )
    if not due.update(welcomed_at=at):  # of two newcomers at once one is greeted; in a cancelled group none
        return False
    writing.message_group(
        robot=group.robot,
        group_code=group.code,
        content=writing.text(group.welcome_message),
        mentions=[member_code],
        cause=cause,
        at=at,
    )
    return True
