"""Blocking users and letting them in again."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import EndedBlock, User
from accounts.signals import users_blocked
from config.errors import NotAllowed

# The users who earn nothing for a day that was due at the moment `due`: blocked then, or blocked now.
BLOCKED_USERS = """
SELECT id AS user_id FROM accounts_user WHERE blocked_at IS NOT NULL
UNION SELECT user_id FROM accounts_endedblock WHERE ended_at > %(due)s AND blocked_at <= %(due)s
"""


class Blocked(NotAllowed):
    message = "账号已被封，不能进行此操作，请联系客服"


def block(*, user: User, by: str, reason: str, at: datetime) -> bool:
    """Block a user. Idempotent."""
    return bool(block_all([user.pk], by=by, reason=reason, at=at))


def block_all(ids: Iterable[UUID], *, by: str, reason: str, at: datetime) -> int:
    """Block these users; what hangs on it (open withdrawals) follows in the same transaction.

    Those blocked before are passed over, and operators, who are made inactive instead. How many were blocked now.
    """
    with transaction.atomic():
        waiting = User.objects.filter(pk__in=list(ids), blocked_at=None, is_staff=False).order_by("pk")
        users = list(waiting.select_for_update(no_key=True))
        User.objects.filter(pk__in=[user.pk for user in users]).update(
            blocked_at=at, blocked_by=by, blocked_reason=reason, proofs_end_at=at
        )
        if users:
            users_blocked.send(User, users=users, by=by, at=at, reason=reason)
    return len(users)


def unblock(*, user: User, at: datetime) -> bool:
    """Let a blocked user in again."""
    return bool(unblock_all([user.pk], at=at))


def unblock_all(ids: Iterable[UUID], *, at: datetime) -> int:
    """Let blocked users in again and keep how long each was blocked; erased ones stay out. Returns how many were.

    What was rejected meanwhile stays rejected, and nothing is earned later for the time of the block.
    """
    with transaction.atomic():
        blocked = User.objects.filter(pk__in=list(ids), blocked_at__isnull=False, erased_at=None).order_by("pk")
        users = list(blocked.select_for_update(no_key=True))
        EndedBlock.objects.bulk_create(_ended(user, at) for user in users)
        User.objects.filter(pk__in=[user.pk for user in users]).update(
            blocked_at=None, blocked_by="", blocked_reason=""
        )
    return len(users)


def _ended(user: User, at: datetime) -> EndedBlock:
    began = user.blocked_at or at
    return EndedBlock(
        user=user,
        blocked_at=began,
        blocked_by=user.blocked_by,
        blocked_reason=user.blocked_reason,
        ended_at=max(at, began),
    )
