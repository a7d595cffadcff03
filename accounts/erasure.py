"""Erasing a person: what says who they are goes, what the books need stays under an id that names nobody.

docs/erasure.md says for a data-protection officer what is erased, what stays, and why.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts import blocking, independence
from accounts.models import CompletionKey, EndedBlock, ErasureRequest, User, VerificationCode
from accounts.signals import user_erased
from config.errors import Conflict, NotFound
from config.platform import audit
from config.site import short_links
from integrations.models import TextMessage

NAME = "已注销用户"  # stands where the person's name stood
DELETED = "（已删除）"  # stands where the person's words stood
REASON = "账号已注销"
VIA = "注销账号"
# Columns of a user in the audit log whose values name the person.
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
    """A refusal: something has to end before the account can be erased."""

    message = "这个账号现在不能注销"


def pseudonym_of(user: User) -> str:
    """Return what stands for the person's code from now on: it leads to the user's id and no further."""
    return f"erased-{user.pk.hex}"


def erase(*, user: User, by: str, at: datetime, gives_up_balance: bool = False) -> bool:
    """Erase a user; returns False when that was done before.

    Their groups are cancelled, proofs and tokens are dead, and nothing is earned any more. All of it or nothing: raises
    NotFound for an operator, and CannotErase while money is under way, or left unless the user gives up the balance.
    The audit log notes the erasure and none of the values.
    """
    if user.is_staff:
        raise NotFound
    with transaction.atomic():
        with audit.unaudited():
            user_erased.send(
                User, user=user, pseudonym=pseudonym_of(user), gives_up_balance=gives_up_balance, by=by, at=at
            )
            blocking.block_all([user.pk], by=by, reason=REASON, at=at)
            known = User.objects.select_for_update().get(pk=user.pk)
            if known.erased_at is not None:
                return False
            _erase_rows_of(known)
            _erase_person(known, at)
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
    blocks.update(blocked_reason="")
    audit.mask(EndedBlock, blocks.values_list("pk", flat=True), ["blocked_reason"])
    if user.phone:
        TextMessage.objects.filter(phone=user.phone).delete()


def _erase_person(user: User, at: datetime) -> None:
    User.objects.filter(pk=user.pk).update(
        is_active=False,
        username=None,
        code=None,
        nickname=NAME,
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
        blocked_reason=REASON,
        signed_out_at=at,
        proofs_end_at=at,
    )


def ask_all(users: Sequence[User], *, by: str, reason: str, gives_up_balance: bool, at: datetime) -> int:
    """Ask for the erasure of these users, each to be confirmed by a second operator. Returns for how many it waits now.

    Operators, erased users and those for whom it was asked already are passed over.
    """
    rows = [
        ErasureRequest(user=user, reason=reason, gives_up_balance=gives_up_balance, asked_at=at, asked_by=by)
        for user in users
        if not user.is_staff and user.erased_at is None
    ]
    before = set(ErasureRequest.objects.waiting().filter(user__in=users).values_list("user_id", flat=True))
    ErasureRequest.objects.bulk_create(rows, ignore_conflicts=True)
    return len({row.user_id for row in rows} - before)


def confirm(pk: int, *, by: str, at: datetime) -> bool:
    """Erase the user of a waiting request as its second operator; false when it waits no more, or `by` asked for it.

    Raises accounts.independence.NotIndependent or CannotErase; the request then goes on waiting.
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


def refuse(pk: int, *, by: str, at: datetime) -> bool:
    """Refuse a waiting request; whoever asked may take it back. False when it waits no more."""
    refused = ErasureRequest.Status.REFUSED
    waiting = ErasureRequest.objects.waiting().filter(pk=pk)
    return bool(waiting.update(status=refused, decided_at=at, decided_by=by))
