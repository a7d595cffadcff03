"""Blocking and unblocking of users."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.models import EndedBlock, User
from accounts.signals import users_blocked
from config.errors import NotAllowed

# SQL for the users who earn nothing for a day that was due at the moment `due`: blocked at that moment or now.
BLOCKED_USERS = """
SELECT id AS user_id FROM accounts_user WHERE blocked_at IS NOT NULL
UNION SELECT user_id FROM accounts_endedblock WHERE ended_at > %(due)s AND blocked_at <= %(due)s
"""


class Blocked(NotAllowed):
    message = "账号已被封，不能进行此操作，请联系客服"


def block(*, user: User, by: str, reason: str, at: datetime) -> bool:
    """Block a user. Idempotent. Returns False when the user was blocked before."""
    return bool(block_all([user.pk], by=by, reason=reason, at=at))


def block_all(ids: Iterable[UUID], *, by: str, reason: str, at: datetime) -> int:
    """Block these users and, in the same transaction, reject their open withdrawals (signal `users_blocked`).

    Users who are blocked already are skipped, and so are operators, who are made inactive instead. Returns the number
    of users blocked by this call.
    """
    with transaction.atomic():
        unblocked = User.objects.filter(pk__in=list(ids), blocked_at=None, is_staff=False).order_by("pk")
        users = list(unblocked.select_for_update(no_key=True))
        User.objects.filter(pk__in=[user.pk for user in users]).update(
            blocked_at=at, blocked_by=by, blocked_reason=reason, proofs_end_at=at
        )
        if users:
            users_blocked.send(User, users=users, by=by, at=at, reason=reason)
    return len(users)


def unblock(*, user: User, at: datetime) -> bool:
    """Unblock a user. Returns False when the user was not blocked."""
    return bool(unblock_all([user.pk], at=at))


def unblock_all(ids: Iterable[UUID], *, at: datetime, by: str = "", reason: str = "") -> int:
    """Unblock these users and record the period of each block with its end. Returns the number unblocked.

    Erased users stay blocked.

    Withdrawals that the block rejected stay rejected, and the days of the block are never paid.
    """
    with transaction.atomic():
        blocked = User.objects.filter(pk__in=list(ids), blocked_at__isnull=False, erased_at=None).order_by("pk")
        users = list(blocked.select_for_update(no_key=True))
        EndedBlock.objects.bulk_create(_ended(user, at, by, reason) for user in users)
        User.objects.filter(pk__in=[user.pk for user in users]).update(
            blocked_at=None, blocked_by="", blocked_reason=""
        )
    return len(users)


def _ended(user: User, at: datetime, by: str, reason: str) -> EndedBlock:
    began = user.blocked_at or at
    return EndedBlock(
        user=user,
        blocked_at=began,
        blocked_by=user.blocked_by,
        blocked_reason=user.blocked_reason,
        ended_at=max(at, began),
        ended_by=by,
        ended_reason=reason,
    )
