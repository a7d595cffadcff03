"""Blocking users and letting them in again."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import User
from accounts.signals import users_blocked
from config.errors import NotAllowed


class Blocked(NotAllowed):
    message = "账号已被封，不能进行此操作，请联系客服"


def block(*, user: User, by: str, reason: str, at: datetime) -> bool:
    """Block a user. Idempotent."""
    return bool(block_all([user.pk], by=by, reason=reason, at=at))


def block_all(ids: Iterable[UUID], *, by: str, reason: str, at: datetime) -> int:
    """Block these users; what hangs on it (open withdrawals) follows in the same transaction.

    Those blocked before are passed over. How many were blocked now.
    """
    with transaction.atomic():
        waiting = User.objects.filter(pk__in=list(ids), blocked_at=None).order_by("pk")
        users = list(waiting.select_for_update(no_key=True))
        User.objects.filter(pk__in=[user.pk for user in users]).update(
            blocked_at=at, blocked_by=by, blocked_reason=reason, proofs_end_at=at
        )
        if users:
            users_blocked.send(User, users=users, by=by, at=at, reason=reason)
    return len(users)


def unblock(*, user: User) -> bool:
    """Let a blocked user in again."""
    return bool(unblock_all([user.pk]))


def unblock_all(ids: Iterable[UUID]) -> int:
    """Let blocked users in again; what was rejected stays rejected. How many were blocked."""
    blocked = User.objects.filter(pk__in=list(ids), blocked_at__isnull=False)
    return blocked.update(blocked_at=None, blocked_by="", blocked_reason="")
