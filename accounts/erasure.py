"""Erasure of a person: personal data is deleted, accounting records stay under an id that identifies nobody.

docs/erasure.md lists for a data-protection officer what is erased, what stays, and why.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts import blocking, independence
from accounts.models import CompletionKey, EndedBlock, ErasureRequest, User, UserNote, VerificationCode
from accounts.signals import user_erased
from config.errors import Conflict, NotFound
from config.platform import audit
from config.site import short_links
from integrations.models import TextMessage

ERASED_NAME = "已注销用户"  # replaces the person's name
DELETED_TEXT = "（已删除）"  # replaces texts that the person wrote
ERASED_REASON = "账号已注销"
VIA = "注销账号"
# Columns of a user whose values identify the person; the audit log masks them.
_PERSONAL = (
    "username",
    "code",
    "nickname",
    "avatar_url",
    "union_id",
    "open_id",
    "phone",
    "blocked_reason",
)


class CannotErase(Conflict):
    """Refusal of an erasure that has to wait until something else has ended."""

    message = "这个账号现在不能注销"


def pseudonym_of(user: User) -> str:
    """Return the text that replaces the person's gateway code. It contains the user's id and nothing else."""
    return f"erased-{user.pk.hex}"


def erase(*, user: User, by: str, at: datetime, gives_up_balance: bool = False) -> bool:
    """Erase a user in one transaction. Returns False when the user was erased before.

    Cancels the user's groups, invalidates proofs and tokens, and ends all earning. The audit log records the erasure
    and none of the values. Raises NotFound for an operator, and CannotErase while a withdrawal or payout is open, or
    while there is a balance that the user has not given up.
    """
    if user.is_staff:
        raise NotFound
    with transaction.atomic():
        with audit.unaudited():
            user_erased.send(
                User, user=user, pseudonym=pseudonym_of(user), gives_up_balance=gives_up_balance, by=by, at=at
            )
            blocking.block_all([user.pk], by=by, reason=ERASED_REASON, at=at)
            locked = User.objects.select_for_update().get(pk=user.pk)
            if locked.erased_at is not None:
                return False
            _erase_rows_of(locked)
            _erase_person(locked, at)
            audit.mask(User, [user.pk], _PERSONAL)
        with audit.acting(by=by, via=VIA):
            User.objects.filter(pk=user.pk).update(erased_at=at)
    return True


def _erase_rows_of(user: User) -> None:
    keys = CompletionKey.objects.filter(user=user)
    short_links.delete_secret(keys.values_list("key_hash", flat=True))
    keys.delete()
    VerificationCode.objects.filter(user=user).delete()
    blocks = EndedBlock.objects.filter(user=user)
    blocks.update(blocked_reason="", ended_reason="")
    audit.mask(EndedBlock, blocks.values_list("pk", flat=True), ["blocked_reason", "ended_reason"])
    notes = UserNote.objects.filter(user=user)
    audit.mask(UserNote, notes.values_list("pk", flat=True), ["text"])
    notes.delete()
    if user.phone:
        TextMessage.objects.filter(phone=user.phone).delete()


def _erase_person(user: User, at: datetime) -> None:
    User.objects.filter(pk=user.pk).update(
        is_active=False,
        username=None,
        code=None,
        nickname=ERASED_NAME,
        avatar_url="",
        union_id=pseudonym_of(user) if user.union_id else None,
        open_id="",
        app_id="",
        phone=None,
        identity_sealed=None,
        identity_given_at=None,
        identity_hash=None,
        identity_is_shared=False,
        mentions_enabled=False,
        blocked_reason=ERASED_REASON,
        signed_out_at=at,
        proofs_end_at=at,
    )


def request_all(users: Sequence[User], *, by: str, reason: str, gives_up_balance: bool, at: datetime) -> int:
    """Request the erasure of these users, each to be confirmed by a second operator. Returns the number of new requests.

    Operators, erased users and users with a waiting request are skipped.
    """
    rows = [
        ErasureRequest(user=user, reason=reason, gives_up_balance=gives_up_balance, asked_at=at, asked_by=by)
        for user in users
        if not user.is_staff and user.erased_at is None
    ]
    before = set(ErasureRequest.objects.waiting().filter(user__in=users).values_list("user_id", flat=True))
    ErasureRequest.objects.bulk_create(rows, ignore_conflicts=True)
    return len({row.user_id for row in rows} - before)


def confirm_erasure(pk: int, *, by: str, at: datetime) -> bool:
    """Erase the user of a waiting request as its second operator.

    Returns False when the request is no longer waiting, or when `by` made it. Raises accounts.independence.NotIndependent
    or CannotErase; the request then stays waiting.
    """
    with transaction.atomic():
        request = ErasureRequest.objects.select_for_update(of=("self",)).select_related("user").get(pk=pk)
        if request.status != ErasureRequest.Status.WAITING or request.asked_by == by:
            return False
        independence.require(by, request.asked_by, at=at)
        erase(user=request.user, by=by, at=at, gives_up_balance=request.gives_up_balance)
        request.status, request.decided_at, request.decided_by = ErasureRequest.Status.DONE, at, by
        request.save(update_fields=["status", "decided_at", "decided_by"])
    return True


def refuse_erasure(pk: int, *, by: str, at: datetime) -> bool:
    """Refuse a waiting request; its author may withdraw it too. Returns False when it is no longer waiting."""
    refused = ErasureRequest.Status.REFUSED
    waiting = ErasureRequest.objects.waiting().filter(pk=pk)
    return bool(waiting.update(status=refused, decided_at=at, decided_by=by))
