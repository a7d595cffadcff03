"""The referral tree: one inviter per user, set once, never oneself, never a circle."""

from django.db import IntegrityError, transaction

from accounts.models import User
from config.site import client_pages, short_links


def set_inviter(user: User, inviter: User | None) -> bool:
    """Set the inviter of `user` to an active user.

    Returns False when the referral tree does not allow it; a database trigger decides.
    """
    if inviter is None or inviter.is_staff or not inviter.is_active or user.inviter_id is not None:
        return False
    try:
        with transaction.atomic():
            User.objects.filter(pk=user.pk).update(inviter=inviter)
    except IntegrityError:
        return False
    user.inviter = inviter
    return True


def find_inviter(reference: str) -> User | None:
    """Return the active user whom an invitation names by id or gateway code, or None."""
    return User.objects.by_reference(reference).filter(is_active=True).first()


def invite_link_of(user: User) -> str:
    """Return the short address of the page on which a friend adopts a robot and becomes this user's apprentice."""
    return short_links.shorten(client_pages.adopt(inviter_id=user.pk, channel=user.channel))
