"""Members and details of groups, as the gateway reports them."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest

from groups.models import Group, Member, MemberMove
from integrations.gateway.events import GroupDescribed, ListedMember


def replace_members(*, group: Group, listed: Iterable[ListedMember], at: datetime) -> int:
    """Take over the gateway's full list: add new members, update known ones, mark all others as left.

    Returns how many members the group has.
    """
    members = {member.user_code: _member(group, member, at) for member in listed}
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


def _member(group: Group, listed: ListedMember, at: datetime) -> Member:
    return Member(
        group=group,
        code=listed.user_code,
        nickname=listed.nickname,
        avatar_url=listed.avatar_url,
        is_admin=listed.is_admin,
        joined_at=at,
    )


def update_info(*, group: Group, info: GroupDescribed) -> None:
    """Update the group's name, WeChat owner, size, and whether its robot is a member."""
    group.name = info.name or group.name
    group.wechat_owner_code = info.owner_code or group.wechat_owner_code
    group.member_count = group.member_count if info.member_count is None else info.member_count
    ours = (robot.is_in_group for robot in info.robots or () if robot.robot_code == group.robot.code)
    group.robot_is_in = next(ours, group.robot_is_in)
    group.save(update_fields=["name", "wechat_owner_code", "member_count", "robot_is_in"])


def record_joining(*, group: Group, code: str, nickname: str, avatar_url: str, at: datetime) -> bool:
    """Record that a person joined. Returns False when this joining was recorded before.

    It counts in the statistics, and in the group's size unless the person is a member already. A joining that is reported
    after the leaving that followed it makes nobody a member again.
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
    """Record that a person left. Returns False when this leaving was recorded before.

    It counts in the statistics, and in the group's size unless the person had left already, or has joined since.
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
    """Return the time without its fraction of a second: the gateway reports whole seconds."""
    return moment.replace(microsecond=0)


def _record_move(group: Group, code: str, at: datetime, *, is_joining: bool) -> bool:
    """Store one joining or leaving for the statistics. Returns False when another event stored it already."""
    _, is_new = MemberMove.objects.get_or_create(group=group, member_code=code, is_joining=is_joining, moved_at=at)
    return is_new
