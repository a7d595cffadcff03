"""Welcome messages, which the robot sends to new members at most once in five minutes per group."""

from datetime import datetime, timedelta

from django.db.models import Q

from config.platform.characters import is_visible
from groups.models import Group
from integrations.moderation.words import require_clean
from robots.models import Source
from robots.outbox import writing

WELCOME_INTERVAL = timedelta(minutes=5)


def set_welcome(*, group: Group, text: str) -> None:
    """Set the welcome message; an empty text switches it off. Raises 2003 for a sensitive word."""
    require_clean(text)
    Group.objects.filter(pk=group.pk).update(welcome_message=text)


def send_welcome(*, group: Group, member_code: str, source: Source, at: datetime) -> bool:
    """Send the welcome message to a new member. Returns False without a message, or within five minutes of the last."""
    if not is_visible(group.welcome_message):
        return False
    due = Group.objects.active().filter(
        Q(welcomed_at=None) | Q(welcomed_at__lte=at - WELCOME_INTERVAL), pk=group.pk
    )
    if not due.update(welcomed_at=at):  # one update of two at once changes the row; in a cancelled group none does
        return False
    writing.message_group(
        robot=group.robot,
        group_code=group.code,
        content=writing.text(group.welcome_message),
        mentions=[member_code],
        source=source,
        at=at,
    )
    return True
