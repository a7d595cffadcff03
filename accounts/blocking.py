"""Blocking users and letting them in again."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from accounts.signals import user_blocked
from config.errors import NotAllowed


class Blocked(NotAllowed):
    message = "账号已被封,不能进行此操作,请联系客服"


def block(*, user: User, by: str, reason: str, at: datetime) -> bool:
    """Block a user; what hangs on it (open withdrawals) follows in the same transaction. Idempotent."""
    with transaction.atomic():
        changed = User.objects.filter(pk=user.pk, blocked_at=None).update(
            blocked_at=at, blocked_by=by, blocked_reason=reason
        )
        if changed:
            user_blocked.send(User, user=user, by=by, at=at, reason=reason)
        return bool(changed)


def unblock(*, user: User) -> bool:
    """Let a blocked user in again; what was rejected stays rejected."""
    changed = User.objects.filter(pk=user.pk, blocked_at__isnull=False).update(
        blocked_at=None, blocked_by="", blocked_reason=""
    )
    return bool(changed)
