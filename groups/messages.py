"""What is said in groups: kept for a week; who is mentioned is told, at most every five minutes per group."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from config.errors import NotFound
from config.platform.lookups import has_id
from config.site import client_pages, short_links
from groups import locking
from groups.models import Group, GroupMessage, Member, Mention
from integrations.gateway.payloads import codes_in, is_true, parts_of
from integrations.moderation.words import require_clean
from robots.outbox import writing

EVERYBODY = "all"
TOLD_EVERY = timedelta(minutes=5)
SHOWN_FOR = timedelta(days=3)
AROUND = 20

_KEEP = """
INSERT INTO groups_groupmessage (id, group_id, message_no, sender_code, is_robot, content, sent_at)
SELECT * FROM jsonb_to_recordset(%s::jsonb) AS told(
    id uuid, group_id uuid, message_no text, sender_code text, is_robot boolean, content jsonb, sent_at timestamptz)
ON CONFLICT DO NOTHING RETURNING id::text
"""

# Held as `locking.hold` does, and their facts in the same statement: it is made for every few messages.
_SERVED = """
SELECT g.code, g.id::text, r.code, u.code, g.wechat_owner_code
FROM groups_group g JOIN robots_robot r ON r.id = g.robot_id JOIN accounts_user u ON u.id = g.user_id
WHERE g.code = ANY(%s) AND g.cancelled_at IS NULL ORDER BY g.id FOR KEY SHARE OF g
"""


class RobotGone(NotFound):
    message = "这个群里没有可用的机器人，不能回复"


class MemberUnknown(NotFound):
    field = "mem_code"
    message = "群里没有这个成员"


@dataclass(frozen=True)
class Heard:
    """One message in a group, as the gateway told it in the event `event_id`."""

    event_id: str
    group_code: str
    sender_code: str
    message_no: str
    told: Mapping[str, Any]
    sent_at: datetime
    arrival: int = 0  # the event's place in the order of arrival


@dataclass(frozen=True)
class Served:
    """What a message needs to know of the group it was said in."""

    pk: str
    robot_code: str
    owner_codes: frozenset[str]  # of whom a mention is one of the owner's

    def is_robot(self, message: Heard) -> bool:
        return is_true(message.told.get("is_robot")) or message.sender_code == self.robot_code

    def is_mentioned_in(self, message: Heard) -> bool:
        named = codes_in(message.told.get("at_users"))
        is_everybody = is_true(message.told.get("all")) or EVERYBODY in named
        return not self.is_robot(message) and (is_everybody or not self.owner_codes.isdisjoint(named))


def served(group_codes: Iterable[str]) -> dict[str, Served]:
    """The active groups among these, by code; nobody cancels them before what follows from their messages is written."""
    with connection.cursor() as cursor:
        cursor.execute(_SERVED, [list(set(group_codes))])
        rows = cursor.fetchall()
    return {
        code: Served(pk, robot, frozenset(filter(None, (robot, user, owner))))
        for code, pk, robot, user, owner in rows
    }


def keep(heard: Sequence[Heard], groups: Mapping[str, Served], *, at: datetime) -> set[str]:
    """Keep these messages of active groups, and pass their mentions on; event_ids of those not told before."""
    ids = {str(id_by_arrival(message.arrival)): message for message in heard}
    rows = [_row(pk, message, groups[message.group_code]) for pk, message in ids.items()]
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [orjson.dumps(rows).decode()])
        new = {pk: ids[pk] for (pk,) in cursor.fetchall()}
    _note_mentions({pk: one for pk, one in new.items() if groups[one.group_code].is_mentioned_in(one)}, groups, at)
    return {message.event_id for message in new.values()}


def id_by_arrival(number: int) -> UUID:
    """Return a new id that sorts by this number: a UUID of version 8 that begins with it.

    WeChat's times have whole seconds. Messages of one second stand in the order of their ids, so in that of arrival.
    """
    high, low = number >> 12 & (1 << 48) - 1, number & 0xFFF
    return UUID(int=high << 80 | 0x8 << 76 | low << 64 | 0b10 << 62 | secrets.randbits(62))


def _row(pk: str, message: Heard, group: Served) -> dict[str, Any]:
    return {
        "id": pk,
        "group_id": group.pk,
        "message_no": message.message_no,
        "sender_code": message.sender_code,
        "is_robot": group.is_robot(message),
        "content": parts_of(message.told),
        "sent_at": message.sent_at,
    }


def _note_mentions(found: Mapping[str, Heard], groups: Mapping[str, Served], at: datetime) -> None:
    if not found:
        return
    owned = {pk: UUID(groups[message.group_code].pk) for pk, message in found.items()}
    Mention.objects.bulk_create(
        Mention(message_id=pk, group_id=owned[pk], mentioned_at=message.sent_at) for pk, message in found.items()
    )
    rows = Group.objects.select_related("robot", "user").in_bulk(set(owned.values()))
    for pk in sorted(found, key=owned.__getitem__):  # it changes the groups: in the order of locks
        tell_owner(group=rows[owned[pk]], cause=f"mention:{pk}", at=at)


def _owners_of(group: Group) -> set[str]:
    return {code for code in (group.user.code, group.wechat_owner_code, group.robot.code) if code}


def tell_owner(*, group: Group, cause: str, at: datetime) -> bool:
    """Send the owner a link to the mention, unless switched off or told a moment ago."""
    if not group.user.mentions_enabled or not group.user.code or group.user.is_blocked:
        return False
    due = Group.objects.filter(Q(mention_told_at=None) | Q(mention_told_at__lte=at - TOLD_EVERY), pk=group.pk)
    if not due.update(mention_told_at=at):
        return False
    url = short_links.shorten(client_pages.mentions())
    words = f"群「{group.name}」里有人@你,点击查看:{url}"
    writing.tell_user(robot=group.robot, user_code=group.user.code, content=writing.text(words), cause=cause, at=at)
    return True


def context_of(*, group: Group, message_id: str, at: datetime) -> list[dict[str, Any]]:
    """Up to 20 messages before and after, oldest first; the mention is read by that. 1404 for an unknown message."""
    same = GroupMessage.objects.filter(group=group)
    message = same.filter(has_id(message_id)).first()
    if message is None:
        raise NotFound("消息不存在,可能已超过 7 天")
    Mention.objects.filter(message=message, read_at=None).update(read_at=at)
    # Said twice, because only the plain comparison is a bound that the index knows.
    earlier = same.filter(Q(sent_at__lt=message.sent_at) | Q(pk__lt=message.pk), sent_at__lte=message.sent_at)
    later = same.filter(Q(sent_at__gt=message.sent_at) | Q(pk__gt=message.pk), sent_at__gte=message.sent_at)
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
        "id": message.pk,
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
    with transaction.atomic():
        if group.pk not in locking.hold([group.code]):
            raise RobotGone
        writing.say_in_group(
            robot=group.robot,
            group_code=group.code,
            content=writing.text(words),
            mentions=[member_code],
            cause=f"mention_reply:{group.pk}",
            at=at,
        )
