"""Independence of two approvers: two approvals do not count when one approver could sign in as the other.

An operator who creates another operator, sets their password or resets their second factor can sign in as them. The
audit log records each of these actions under the operator's name, on whichever page it happened. For a change that a
second administrator confirmed, the log names the second one, and the OperatorChange row names the first. The creator of
an API key knows it as long as it exists. A key of the command line is known to no operator.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext_noop

from accounts.models import OperatorChange, User
from config.errors import Conflict
from config.models import ApiKey, AuditEntry
from config.platform.audit import DEVICE_TABLES, KEY_PREFIX, LONGEST_ACTOR

LOOKBACK = timedelta(days=30)
NOT_INDEPENDENT = gettext_noop(
    "你们中的一方在 30 天内为另一方创建过账号、设置过密码或重置过两步验证，或创建了所用的密钥，"
    "不能共同审批，请由其他运营人员通过"
)
_CREATED_OR_GIVEN_A_PASSWORD = Q(action=AuditEntry.Action.ADDED) | Q(
    action=AuditEntry.Action.CHANGED, changes__has_any_keys=["password", "is_staff"]
)


class NotIndependent(Conflict):
    message = NOT_INDEPENDENT


def require(by: str, other: str, *, at: datetime) -> None:
    """Raise NotIndependent unless these two approvers are independent."""
    if dependent_on(by, {other}, at=at):
        raise NotIndependent


def dependent_on(by: str, others: Iterable[str], *, at: datetime) -> set[str]:
    """Return the names in `others` (operators and keys, as the audit log names them) that are not independent of `by`."""
    names = {by, *others}
    if len(names) == 1:
        return set()
    access = _access_to(names, at=at)
    return {other for other in names - {by} if _are_dependent(by, other, access)}


def _are_dependent(first: str, second: str, access: Mapping[str, set[str]]) -> bool:
    """Return whether either can act as the other, or a third person holds a key of one and can act as both."""
    if first in access[second] or second in access[first]:
        return True
    has_key = first.startswith(KEY_PREFIX) or second.startswith(KEY_PREFIX)
    return has_key and bool(access[first] & access[second])


def _access_to(names: set[str], *, at: datetime) -> Mapping[str, set[str]]:
    """Return {name: names of the people who created it or could sign in as it within LOOKBACK}."""
    access: dict[str, set[str]] = defaultdict(set)
    operators = User.objects.filter(is_staff=True, username__in=names)
    name_of = {str(pk): str(name) for pk, name in operators.values_list("pk", "username")}
    recent = AuditEntry.objects.filter(noted_at__gt=at - LOOKBACK).order_by()
    written = recent.filter(_CREATED_OR_GIVEN_A_PASSWORD, table_name=User._meta.db_table, row_id__in=name_of)
    for pk, actor in written.values_list("row_id", "actor"):
        access[name_of[pk]].add(actor)
    removed = recent.filter(
        action=AuditEntry.Action.DELETED, table_name__in=DEVICE_TABLES, changes__user_id__0__in=list(name_of)
    )
    for changes, actor in removed.values_list("changes", "actor"):
        access[name_of[changes["user_id"][0]]].add(actor)
    confirmed = OperatorChange.objects.filter(
        username__in=names, status=OperatorChange.Status.APPLIED, decided_at__gt=at - LOOKBACK
    ).exclude(kind=OperatorChange.Kind.RIGHTS)
    for name, asked_by in confirmed.order_by().values_list("username", "asked_by"):
        access[name].add(asked_by)
    for name, actor in _creators_of_keys(names):
        access[name].add(actor)
    return access


def _creators_of_keys(names: set[str]) -> Iterable[tuple[str, str]]:
    """Yield (name, creator) of the keys among these names. Keys that share a truncated name all count."""
    key_names = {name: name.removeprefix(KEY_PREFIX) for name in names if name.startswith(KEY_PREFIX)}
    for name, key_name in key_names.items():
        is_cut = len(name) == LONGEST_ACTOR
        keys = ApiKey.objects.filter(name__startswith=key_name) if is_cut else ApiKey.objects.filter(name=key_name)
        created = AuditEntry.objects.filter(
            action=AuditEntry.Action.ADDED,
            table_name=ApiKey._meta.db_table,
            row_id__in=[str(pk) for pk in keys.values_list("pk", flat=True)],
        ).exclude(via__startswith="manage.py")  # no page has a path that begins like this
        for actor in created.order_by().values_list("actor", flat=True):
            yield name, actor
