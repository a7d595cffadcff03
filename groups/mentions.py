"""Mentions of a group's owner: notifying the owner, the messages around a mention, and replies."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Q, Value, When

from accounts.queries import Listing, UserList, listing
from config.errors import NotFound
from config.platform.lookups import has_id
from config.site import client_pages, short_links
from groups import locking
from groups.models import Group, GroupMessage, Member, Mention
from integrations.moderation.words import require_clean
from robots.models import Source, SourceType
from robots.outbox import writing

NOTIFICATION_INTERVAL = timedelta(minutes=5)
LISTED_FOR = timedelta(days=3)
CONTEXT_SIZE = 20


class ReplyRobotGone(NotFound):
    message = "这个群里没有可用的机器人，不能回复"


class MemberUnknown(NotFound):
    field = "mem_code"
    message = "群里没有这个成员"


def _owners_of(group: Group) -> set[str]:
    return {code for code in (group.user.code, group.wechat_owner_code, group.robot.code) if code}


def notify_owner(*, group: Group, source: Source, at: datetime) -> bool:
    """Send the owner a link to the mention. Returns False when it is switched off, or was sent within five minutes."""
    if not group.user.mentions_enabled or not group.user.code or group.user.is_blocked:
        return False
    due = Group.objects.filter(
        Q(mention_notified_at=None) | Q(mention_notified_at__lte=at - NOTIFICATION_INTERVAL), pk=group.pk
    )
    if not due.update(mention_notified_at=at):
        return False
    url = short_links.shorten(client_pages.mentions())
    text = f"群「{group.name}」里有人@你，点击查看：{url}"
    writing.message_user(
        robot=group.robot, user_code=group.user.code, content=writing.text(text), source=source, at=at
    )
    return True


def context_of(*, group: Group, message_id: str, at: datetime) -> list[dict[str, Any]]:
    """Return up to 20 messages before and after a mention, oldest first, and mark the mention as read.

    Raises NotFound (1404) for an unknown message.
    """
    same = GroupMessage.objects.filter(group=group)
    message = same.filter(has_id(message_id)).first()
    if message is None:
        raise NotFound("消息不存在，可能已超过 7 天")
    Mention.objects.filter(message=message, read_at=None).update(read_at=at)
    # `sent_at` is compared twice: PostgreSQL uses only the plain comparison as a bound of the index.
    earlier = same.filter(Q(sent_at__lt=message.sent_at) | Q(pk__lt=message.pk), sent_at__lte=message.sent_at)
    later = same.filter(Q(sent_at__gt=message.sent_at) | Q(pk__gt=message.pk), sent_at__gte=message.sent_at)
    before = list(earlier.order_by("-sent_at", "-pk")[:CONTEXT_SIZE])
    after = list(later.order_by("sent_at", "pk")[:CONTEXT_SIZE])
    return _context_rows(group, [*reversed(before), message, *after])


def _context_rows(group: Group, messages: list[GroupMessage]) -> list[dict[str, Any]]:
    codes = {message.sender_code for message in messages}
    members = {member.code: member for member in Member.objects.filter(group=group, code__in=codes)}
    return [_context_row(group, message, members.get(message.sender_code)) for message in messages]


def _context_row(group: Group, message: GroupMessage, member: Member | None) -> dict[str, Any]:
    name = member.nickname if member else message.sender_code
    avatar = member.avatar_url if member else ""
    return {
        "id": message.pk,
        "head_url": group.robot.avatar_url if message.is_robot else avatar,
        "nickname": group.robot.name if message.is_robot else name,
        "content": message.content,
        "send_date": message.sent_at,
        "mem_code": message.sender_code,
        "group_code": group.code,
        "is_master": message.is_robot or message.sender_code in _owners_of(group),
    }


@UserList
def listed_mentions(user_id: UUID, since: datetime) -> Listing:
    """Return the mentions since then in the user's groups, newest first."""
    recent = Mention.objects.filter(user_id=user_id, mentioned_at__gte=since)
    # Not a join with the groups, which would look up the group of every mention, only to count them.
    cancelled = Group.objects.filter(user_id=user_id, cancelled_at__isnull=False)
    return listing(
        recent.exclude(group__in=cancelled).order_by("-mentioned_at", "-message_id"),
        "message_id",
        "message__content",
        "group_id",
        "group__name",
        "group__code",
        is_read=Case(When(read_at=None, then=Value(0)), default=Value(1)),
    )


def reply_to_mention(*, group: Group, member_code: str, text: str, at: datetime) -> None:
    """Send a text to the group, addressed to that member.

    Raises 1404 when the group has no working robot or no member of that code, and 2003 for a sensitive word.
    """
    require_clean(text)
    if not group.robot_is_in or not group.robot.is_working:
        raise ReplyRobotGone
    is_known = Member.objects.filter(group=group, code=member_code, left_at=None).exists()
    if not is_known and not GroupMessage.objects.filter(group=group, sender_code=member_code).exists():
        raise MemberUnknown
    with transaction.atomic():
        if group.pk not in locking.lock_rows([group.code]):
            raise ReplyRobotGone
        writing.message_group(
            robot=group.robot,
            group_code=group.code,
            content=writing.text(text),
            mentions=[member_code],
            source=Source(SourceType.MENTION_REPLY, str(group.pk)),
            at=at,
        )
