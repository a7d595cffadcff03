"""What is said in groups: kept for a week; who is mentioned is told, at most every five minutes per group."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q, QuerySet

from accounts.models import User
from config import links
from config.errors import NotFound
from config.lookups import has_id
from groups.models import Group, GroupMessage, Member, Mention
from integrations.moderation import require_clean
from robots import outbox
from robots.heard import codes_in, is_true, parts_of

EVERYBODY = "all"
TOLD_EVERY = timedelta(minutes=5)
SHOWN_FOR = timedelta(days=3)
AROUND = 20


class RobotGone(NotFound):
    message = "这个群里没有可用的机器人,不能回复"


class MemberUnknown(NotFound):
    message = "mem_code: 群里没有这个成员"


def keep(
    *,
    group: Group,
    sender_code: str,
    message_no: str,
    told: Mapping[str, Any],
    sent_at: datetime,
) -> GroupMessage | None:
    """Keep one message and note the mention in it; None when it was told before."""
    is_robot = is_true(told.get("is_robot")) or sender_code == group.robot.code
    message = GroupMessage(
        group=group,
        sender_code=sender_code,
        message_no=message_no,
        is_robot=is_robot,
        content=parts_of(told),
        sent_at=sent_at,
    )
    GroupMessage.objects.bulk_create([message], ignore_conflicts=True)
    if not GroupMessage.objects.filter(pk=message.pk).exists():
        return None
    at_users = codes_in(told.get("at_users"))
    is_everybody = is_true(told.get("all")) or EVERYBODY in at_users
    if not is_robot and (is_everybody or _owners_of(group) & set(at_users)):
        Mention.objects.create(message=message, group=group, mentioned_at=sent_at)
    return message


def _owners_of(group: Group) -> set[str]:
    return {code for code in (group.user.code, group.wechat_owner_code, group.robot.code) if code}


def tell_owner(*, group: Group, cause: str, at: datetime) -> bool:
    """Send the owner a link to the mention, unless switched off or told a moment ago."""
    if not group.user.mentions_enabled or not group.user.code or group.user.is_blocked:
        return False
    due = Group.objects.filter(Q(mention_told_at=None) | Q(mention_told_at__lte=at - TOLD_EVERY), pk=group.pk)
    if not due.update(mention_told_at=at):
        return False
    url = links.shorten(f"{settings.CLIENT_BASE_URL}/mentions?{urlencode({'groupId': group.pk})}")
    words = f"群「{group.name}」里有人@你,点击查看:{url}"
    outbox.tell_user(robot=group.robot, user_code=group.user.code, content=outbox.text(words), cause=cause, at=at)
    return True


def context_of(*, group: Group, message_id: str, at: datetime) -> list[dict[str, Any]]:
    """Up to 20 messages before and after, oldest first; the mention is read by that. 1404 for an unknown message."""
    same = GroupMessage.objects.filter(group=group)
    message = same.filter(has_id(message_id)).first()
    if message is None:
        raise NotFound("消息不存在,可能已超过 7 天")
    Mention.objects.filter(message=message, read_at=None).update(read_at=at)
    earlier = same.filter(Q(sent_at__lt=message.sent_at) | Q(sent_at=message.sent_at, pk__lt=message.pk))
    later = same.filter(Q(sent_at__gt=message.sent_at) | Q(sent_at=message.sent_at, pk__gt=message.pk))
    before = list(earlier.order_by("-sent_at", "-pk")[:AROUND])
    after = list(later.order_by("sent_at", "pk")[:AROUND])
    return _shown(group, [*reversed(before), message, *after])


def _shown(group: Group, messages: list[GroupMessage]) -> list[dict[str, Any]]:
    codes = {message.sender_code for message in messages}
    members = {member.code: member for member in Member.objects.filter(group=group, code__in=codes)}
    return [_one(group, message, members.get(message.sender_code)) for message in messages]


def _one(group: Group, message: GroupMessage, member: Member | None) -> dict[str, Any]:
    name = member.nickname if member else message.sender_code
    avatar = member.avatar_url if member else ""
    return {
        "head_url": group.robot.avatar_url if message.is_robot else avatar,
        "nickname": group.robot.name if message.is_robot else name,
        "content": message.content,
        "send_date": message.sent_at,
        "mem_code": message.sender_code,
        "group_code": group.code,
        "is_master": message.is_robot or message.sender_code in _owners_of(group),
    }


def mentions_of(user: User, *, at: datetime) -> QuerySet[Mention]:
    """The last three days' mentions in the user's groups, newest first."""
    groups = Group.objects.served_for(user)
    recent = Mention.objects.filter(group__in=groups, mentioned_at__gte=at - SHOWN_FOR)
    return recent.select_related("message", "group").order_by("-mentioned_at", "-message_id")


def reply(*, group: Group, member_code: str, words: str, at: datetime) -> None:
    """Say it in the group to that member. 1404: no robot there, or nobody of that code; 2003 sensitive word."""
    require_clean(words)
    if not group.robot_is_in or not group.robot.is_working:
        raise RobotGone
    is_known = Member.objects.filter(group=group, code=member_code, left_at=None).exists()
    if not is_known and not GroupMessage.objects.filter(group=group, sender_code=member_code).exists():
        raise MemberUnknown
    outbox.say_in_group(
        robot=group.robot,
        group_code=group.code,
        content=outbox.text(words),
        mentions=[member_code],
        cause=f"mention_reply:{group.pk}",
        at=at,
    )
