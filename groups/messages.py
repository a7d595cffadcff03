"""Messages of groups, each stored once as it arrives, and the mentions in them."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from config.platform import db
from groups.mentions import notify_owner
from groups.models import Group, Mention
from integrations.gateway.payloads import codes_in, is_true, parts_of
from robots.models import Source, SourceType

EVERYBODY = "all"
_INSERT = """
INSERT INTO groups_groupmessage (id, group_id, message_no, sender_code, is_robot, content, sent_at)
SELECT * FROM jsonb_to_recordset(%s::jsonb) AS received(
    id uuid, group_id uuid, message_no text, sender_code text, is_robot boolean, content jsonb, sent_at timestamptz)
ON CONFLICT DO NOTHING RETURNING id::text
"""
# One statement locks the groups, as `locking.lock_rows` does, and reads their codes: it runs for every batch of messages.
_LOCK_SERVED = """
SELECT g.code, g.id::text, r.code, u.code, g.wechat_owner_code
FROM groups_group g JOIN robots_robot r ON r.id = g.robot_id JOIN accounts_user u ON u.id = g.user_id
WHERE g.code = ANY(%s) AND g.cancelled_at IS NULL ORDER BY g.id FOR KEY SHARE OF g
"""


@dataclass(frozen=True)
class ReceivedMessage:
    """A message in a group, as the gateway reported it in the event `event_id`."""

    event_id: str
    group_code: str
    sender_code: str
    message_no: str
    body: Mapping[str, Any]
    sent_at: datetime
    arrival: int = 0  # the event's number in the order of arrival


@dataclass(frozen=True)
class ServedGroup:
    """Codes of an active group by which its messages are classified."""

    pk: str
    robot_code: str
    owner_codes: frozenset[str]  # a mention of message of these codes is a mention of the owner

    def is_robot(self, message: ReceivedMessage) -> bool:
        return is_true(message.body.get("is_robot")) or message.sender_code == self.robot_code

    def is_mentioned_in(self, message: ReceivedMessage) -> bool:
        mentioned = codes_in(message.body.get("at_users"))
        is_everybody = is_true(message.body.get("all")) or EVERYBODY in mentioned
        return not self.is_robot(message) and (is_everybody or not self.owner_codes.isdisjoint(mentioned))


def served_groups(group_codes: Iterable[str]) -> dict[str, ServedGroup]:
    """Return the active groups of these codes, locked against being cancelled until the transaction ends."""
    return {
        code: ServedGroup(pk, robot, frozenset(filter(None, (robot, user, owner))))
        for code, pk, robot, user, owner in db.rows(_LOCK_SERVED, [list(set(group_codes))])
    }


def store_messages(
    received: Sequence[ReceivedMessage], groups: Mapping[str, ServedGroup], *, at: datetime
) -> set[str]:
    """Store these messages of active groups and notify owners of mentions. Returns the event_ids of the new messages."""
    ids = {str(id_by_arrival(message.arrival)): message for message in received}
    rows = [_row(pk, message, groups[message.group_code]) for pk, message in ids.items()]
    new = {pk: ids[pk] for (pk,) in db.rows(_INSERT, [orjson.dumps(rows).decode()])}
    _record_mentions(
        {pk: message for pk, message in new.items() if groups[message.group_code].is_mentioned_in(message)},
        groups,
        at,
    )
    return {message.event_id for message in new.values()}


def id_by_arrival(number: int) -> UUID:
    """Return a new id that sorts by this number: a UUID of version 8 that begins with it.

    WeChat's times have whole seconds; ids order the messages of one second by arrival.
    """
    high, low = number >> 12 & (1 << 48) - 1, number & 0xFFF
    return UUID(int=high << 80 | 0x8 << 76 | low << 64 | 0b10 << 62 | secrets.randbits(62))


def _row(pk: str, message: ReceivedMessage, group: ServedGroup) -> dict[str, Any]:
    return {
        "id": pk,
        "group_id": group.pk,
        "message_no": message.message_no,
        "sender_code": message.sender_code,
        "is_robot": group.is_robot(message),
        "content": parts_of(message.body),
        "sent_at": message.sent_at,
    }


def _record_mentions(
    mentions: Mapping[str, ReceivedMessage], groups: Mapping[str, ServedGroup], at: datetime
) -> None:
    if not mentions:
        return
    group_ids = {pk: UUID(groups[message.group_code].pk) for pk, message in mentions.items()}
    Mention.objects.bulk_create(
        Mention(message_id=pk, group_id=group_ids[pk], mentioned_at=message.sent_at)
        for pk, message in mentions.items()
    )
    rows = Group.objects.select_related("robot", "user").in_bulk(set(group_ids.values()))
    for pk in sorted(mentions, key=group_ids.__getitem__):  # notifying updates groups: in the order of locks
        notify_owner(group=rows[group_ids[pk]], source=Source(SourceType.MENTION, str(pk)), at=at)
