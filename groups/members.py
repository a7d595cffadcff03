"""Who is in a group, and what it is called, as the gateway tells it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from groups.models import Group, Member, MemberMove
from integrations.gateway.payloads import address_in, code_in, is_true, shown
from integrations.gateway.subscriptions import BadEvent, word


def replace_members(*, group: Group, told: Sequence[Mapping[str, Any]], at: datetime) -> int:
    """The gateway's full list: newcomers join, the known are refreshed, whoever is not on it has left.

    Each row has a proper `user_id`.
    """
    members = {code_in(one, "user_id"): _member(group, one, at) for one in told}
    with transaction.atomic():
        Member.objects.bulk_create(
            members.values(),
            update_conflicts=True,
            unique_fields=["group", "code"],
            update_fields=["nickname", "avatar_url", "is_admin", "left_at"],
        )
        gone = Member.objects.filter(group=group, left_at=None).exclude(code__in=members)
        gone.filter(joined_at__lte=at).update(left_at=at)
        Group.objects.filter(pk=group.pk).update(member_count=len(members))
    return len(members)


def _member(group: Group, told: Mapping[str, Any], at: datetime) -> Member:
    return Member(
        group=group,
        code=code_in(told, "user_id"),
        nickname=shown(told, "nickname"),
        avatar_url=address_in(told, "avatar"),
        is_admin=is_true(told.get("is_admin")),
        joined_at=at,
    )


def update_info(*, group: Group, told: Mapping[str, Any]) -> None:
    """The gateway's word on a group: its name, its owner in WeChat, its size, whether our robot is in."""
    group.name = shown(told, "name", longest=200) or group.name
    group.wechat_owner_code = word(told, "admin_user_id", needed=False) or group.wechat_owner_code
    group.member_count = _count(told.get("mem_count"), group.member_count)
    group.robot_is_in = _robot_is_in(group, told.get("robots"))
    group.save(update_fields=["name", "wechat_owner_code", "member_count", "robot_is_in"])


def _count(value: Any, otherwise: int) -> int:
    if value is None:
        return otherwise
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100_000:
        raise BadEvent("应为人数", field="mem_count")
    return value


def _robot_is_in(group: Group, told: Any) -> bool:
    if not isinstance(told, list):
        return group.robot_is_in
    for one in told:
        if isinstance(one, dict) and code_in(one, "robot_id") == group.robot.code:
            return is_true(one.get("robot_in_group"))
    return group.robot_is_in


def record_joining(*, group: Group, code: str, nickname: str, avatar_url: str, at: datetime) -> bool:
    """Note that somebody joined; False when this joining was noted before.

    It counts in the statistics, and in the size unless the person is known to be in. A joining that is told after the
    leaving that followed it brings nobody back.
    """
    with transaction.atomic():
        if not _record_move(group, code, at, is_joining=True):
            return False
        member, is_new = Member.objects.get_or_create(
            group=group, code=code, defaults={"nickname": nickname, "avatar_url": avatar_url, "joined_at": at}
        )
        was_away = is_new or member.left_at is not None
        if not is_new:
            was_only_seen_leaving = member.left_at == member.joined_at
            is_over = member.left_at is not None and at < _whole_second(member.left_at)
            was_away = was_only_seen_leaving if is_over else was_away
            member.nickname, member.avatar_url = nickname or member.nickname, avatar_url or member.avatar_url
            if was_only_seen_leaving or not is_over:
                member.joined_at = at if was_away else max(member.joined_at, at)
            member.left_at = member.left_at if is_over else None
            member.save()
        if was_away:
            Group.objects.filter(pk=group.pk).update(member_count=F("member_count") + 1)
    return True


def record_leaving(*, group: Group, code: str, at: datetime) -> bool:
    """Note that somebody left; False when this leaving was noted before.

    It counts in the statistics, and in the size unless the person is known to be gone, or to have joined since.
    """
    with transaction.atomic():
        if not _record_move(group, code, at, is_joining=False):
            return False
        member, is_new = Member.objects.get_or_create(
            group=group, code=code, defaults={"joined_at": at, "left_at": at}
        )
        is_over = not is_new and (member.left_at is not None or at < _whole_second(member.joined_at))
        if is_over:
            return True
        Member.objects.filter(pk=member.pk, left_at=None).update(left_at=Greatest(F("joined_at"), Value(at)))
        Group.objects.filter(pk=group.pk, member_count__gt=0).update(member_count=F("member_count") - 1)
    return True


def _whole_second(moment: datetime) -> datetime:
    """Return the whole second of a moment, which is all that the gateway tells."""
    return moment.replace(microsecond=0)


def _record_move(group: Group, code: str, at: datetime, *, is_joining: bool) -> bool:
    """Keep one joining or leaving for the statistics; False when it is kept already, under another event's number."""
    _, is_new = MemberMove.objects.get_or_create(group=group, member_code=code, is_joining=is_joining, moved_at=at)
    return is_new
