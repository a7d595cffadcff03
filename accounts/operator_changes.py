"""Creation and change of operators who move money: one administrator proposes a change, another one confirms it.

Otherwise one administrator could create, or sign in as, the second of two approvers. The command `operator` makes the
same changes at once, because its author has access to the server anyway; a system with a single administrator uses it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import Group as Role
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_noop
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import independence
from accounts.models import Operator, OperatorChange, User
from config.backoffice import roles, sessions
from config.errors import Conflict

Kind, Status = OperatorChange.Kind, OperatorChange.Status
Rights = dict[str, Any]  # {"roles": [names in order], "is_active": bool, "is_superuser": bool}
NO_RIGHTS: Rights = {"roles": [], "is_active": False, "is_superuser": False}


class OperatorChangeWaiting(Conflict):
    message = gettext_noop("该运营人员已有同样的变更待确认")


class OperatorChangedMeanwhile(Conflict):
    message = gettext_noop("该运营人员的权限已被修改，请重新提交")


class OperatorNameTaken(Conflict):
    message = gettext_noop("该登录名已被使用，请重新提交")


class OwnOperatorChange(Conflict):
    message = gettext_noop("自己提交的或自己账号的变更，要由另一名管理员确认")


def rights_of(operator: User) -> Rights:
    """Return the rights of an operator, in the form that OperatorChange stores."""
    names = operator.groups.order_by("name").values_list("name", flat=True)
    return {"roles": list(names), "is_active": operator.is_active, "is_superuser": operator.is_superuser}


def moves_money(operator: User) -> bool:
    """Return whether this operator may pay or change what is paid, now or after being activated."""
    return bool(_powers({**rights_of(operator), "is_active": True}))


def needs_second_administrator(before: Rights, after: Rights) -> bool:
    """Return whether a change of rights adds a way to move money."""
    return bool(_powers(after) - _powers(before))


def _powers(rights: Rights) -> set[str]:
    if not rights["is_active"]:
        return set()
    money = roles.that_move_money() & set(rights["roles"])
    return money | ({"is_superuser"} if rights["is_superuser"] else set())


def propose(change: OperatorChange, *, by: str, at: datetime) -> OperatorChange:
    """Store a change that waits for another administrator. Raises OperatorChangeWaiting."""
    change.asked_by, change.asked_at = by, at
    operator, values = change.operator, change.values or NO_RIGHTS
    change.of_superuser = bool(values["is_superuser"] or (operator is not None and operator.is_superuser))
    try:
        with transaction.atomic():
            change.save(force_insert=True)
    except IntegrityError as error:  # one_waiting_change_per_operator_and_kind
        raise OperatorChangeWaiting from error
    return change


def confirm_operator_change(pk: int, *, by: str, at: datetime) -> bool:
    """Apply a waiting change as its second administrator. Returns False when it is no longer waiting.

    Raises OwnOperatorChange, accounts.independence.NotIndependent, OperatorChangedMeanwhile or OperatorNameTaken.
    """
    with transaction.atomic():
        change = OperatorChange.objects.select_for_update(of=("self",)).select_related("operator").get(pk=pk)
        if change.status != Status.WAITING:
            return False
        if by in (change.asked_by, change.username):
            raise OwnOperatorChange
        independence.require(by, change.asked_by, at=at)
        _apply(change)
        change.status, change.decided_at, change.decided_by, change.password = Status.APPLIED, at, by, ""
        change.save(update_fields=["status", "decided_at", "decided_by", "password"])
    return True


def refuse_operator_change(pk: int, *, by: str, reason: str, at: datetime) -> bool:
    """Refuse a waiting change; its author may withdraw it too. Returns False when it is no longer waiting."""
    waiting = OperatorChange.objects.filter(pk=pk, status=Status.WAITING)
    decided = {"decided_at": at, "decided_by": by, "reason": reason, "password": ""}
    return bool(waiting.update(status=Status.REFUSED, **decided))


def _apply(change: OperatorChange) -> None:
    if change.kind == Kind.ADD:
        create_operator(change.username, rights=change.values or NO_RIGHTS, password=change.password)
        return
    operator = User.objects.select_for_update().get(pk=cast(UUID, change.operator_id))  # a constraint: it is set
    if change.kind == Kind.RIGHTS:
        if rights_of(operator) != change.before:
            raise OperatorChangedMeanwhile
        set_rights(operator, change.values or NO_RIGHTS)
    elif change.kind == Kind.PASSWORD:
        operator.password = change.password
        operator.save(update_fields=["password"])
    else:
        reset_second_factors([operator.pk])


def create_operator(username: str, *, rights: Rights, password: str) -> Operator:
    """Create an operator with a hashed password. Raises OperatorNameTaken."""
    try:
        with transaction.atomic():
            operator = Operator.objects.create(username=username, is_staff=True, password=password)
    except IntegrityError as error:  # usernames are unique among users and operators
        raise OperatorNameTaken from error
    set_rights(operator, rights)
    return operator


def set_rights(operator: User, rights: Rights) -> None:
    operator.is_active, operator.is_superuser = rights["is_active"], rights["is_superuser"]
    operator.save(update_fields=["is_active", "is_superuser"])
    operator.groups.set(Role.objects.filter(name__in=rights["roles"]))


def reset_second_factors(keys: Iterable[UUID]) -> int:
    """Delete the second factors and recovery codes of these operators, and end the sessions of those who had any.

    Returns the number of operators who had any.
    """
    keys, owners = list(keys), set[UUID]()
    for model in (TOTPDevice, StaticDevice):
        devices = model.objects.filter(user__in=keys)
        owners.update(devices.values_list("user", flat=True))
        devices.delete()
    sessions.end_all(owners)
    return len(owners)


def count_deciders(change: OperatorChange, *, by: str) -> int:
    """Return the number of other administrators who may decide this change."""
    others = Operator.objects.filter(is_active=True).exclude(username__in=[by, change.username])
    superusers = others.filter(is_superuser=True).count()
    if change.of_superuser:
        return superusers
    return superusers + others.filter(is_superuser=False, groups__name=roles.ADMINISTRATOR).count()
