"""The referral tree: one inviter per user, set once, never oneself, never a circle."""

from urllib.parse import urlencode

from django.conf import settings
from django.db import IntegrityError, transaction

from accounts.models import User
from config import links


def set_inviter(user: User, inviter: User | None) -> bool:
    """Put `user` below `inviter`; false when the tree does not allow it (the database decides)."""
    if inviter is None or user.inviter_id is not None:
        return False
    try:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(inviter=inviter)
    except IntegrityError:
        return False
    user.inviter = inviter
    return True


def invite_link_of(user: User) -> str:
    """The short address of the scan page that makes whoever comes through it this user's apprentice."""
    query = urlencode({"sharing_user_id": user.pk})
    return links.shorten(f"{settings.CLIENT_BASE_URL}/scan?{query}")
