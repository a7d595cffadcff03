"""The referral tree: one inviter per user, set once, never oneself, never a circle."""

from django.db import IntegrityError, transaction

from accounts.models import User


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
