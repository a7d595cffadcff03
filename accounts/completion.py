"""Completion links: the right to complete the profile of a user who added a robot.

The robot sends the link in a private message, so the person who opens it is that user. A user's id and gateway code are
known to others (members of their groups, operators, friends whom they invite) and give no such right.
"""

from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import CompletionKey, User
from config.errors import NotFound
from config.site import client_pages, short_links

LIFETIME = timedelta(days=30)
VALID_AT_ONCE = 3


class CompletionUnknown(NotFound):
    message = "链接无效或已过期，请在微信里给机器人发送“主页”，再打开新收到的链接"


def new_link(user: User, *, at: datetime) -> str:
    """Create and return a short link that completes this user's profile within 30 days. The last three stay valid."""
    with transaction.atomic():
        link, key = short_links.shorten_secret(lambda key: client_pages.home(completion_key=key))
        CompletionKey.objects.create(
            user=user, key_hash=short_links.hash_of(key), created_at=at, expires_at=at + LIFETIME
        )
        outdated = list(CompletionKey.objects.filter(user=user).order_by("-pk")[VALID_AT_ONCE:])
        CompletionKey.objects.filter(pk__in=[key.pk for key in outdated]).delete()
        short_links.delete_secret(key.key_hash for key in outdated)
    return link


def user_of_key(key: str, *, union_id: str, at: datetime) -> User:
    """Return the user whose profile this key completes.

    A used key still returns its user to the WeChat account that used it. Raises CompletionUnknown (1404) for every other
    key: one that never existed, has expired, or was used by another account.
    """
    found = (
        CompletionKey.objects.select_related("user")
        .filter(key_hash=short_links.hash_of(key), user__is_active=True, user__is_staff=False)
        .first()
    )
    if found is None:
        raise CompletionUnknown
    user = found.user
    is_usable = found.expires_at > at if user.completed_at is None else user.union_id == union_id
    if not is_usable:
        raise CompletionUnknown
    return user
