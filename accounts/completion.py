"""Completion links: the right to complete the profile of somebody whom a robot met.

The robot sends the link in private, so whoever opens it is that person. A user's id and gateway code are known to
others (members of their groups, operators, friends whom they invite) and give no such right.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from accounts.models import CompletionKey, User
from config import client_pages, links
from config.errors import NotFound

LIFETIME = timedelta(days=30)


class CompletionUnknown(NotFound):
    message = "链接无效或已过期，请在微信里给机器人发送“主页”，再打开新收到的链接"


def new_link(user: User, *, at: datetime) -> str:
    """Return a new short link with which this user completes the profile within 30 days."""
    key = secrets.token_urlsafe(24)
    CompletionKey.objects.create(user=user, key_hash=_hash(key), created_at=at, expires_at=at + LIFETIME)
    return links.shorten(client_pages.home(completion_key=key), is_secret=True)


def owner_of(key: str, *, union_id: str, at: datetime) -> User:
    """Return the user whom this key completes.

    A key that was used belongs to the WeChat account that used it: for that one it still names its user. Raises
    CompletionUnknown (1404) for every other key, whether it never existed, has expired, or was used by somebody else.
    """
    found = CompletionKey.objects.select_related("user").filter(key_hash=_hash(key), user__is_active=True).first()
    if found is None:
        raise CompletionUnknown
    user = found.user
    is_usable = found.expires_at > at if user.completed_at is None else user.union_id == union_id
    if not is_usable:
        raise CompletionUnknown
    return user


def _hash(key: str) -> str:
    """Return what is stored of a key. Keys are 192 random bits, so a plain hash cannot be searched."""
    return hashlib.sha256(key.encode()).hexdigest()
