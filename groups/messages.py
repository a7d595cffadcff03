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
from integrations.gateway.events import GroupMessageReceived
from integrations.gateway.subscriptions import Event
from robots.models import Source, SourceType

MessageEvent = Event[GroupMessageReceived]
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
class ServedGroup:
    """Codes of an active group by which its messages are classified."""

    pk: str
    robot_code: str
    owner_codes: frozenset[str]  # a mention of message of these codes is a mention of the owner

    def is_robot(self, message: GroupMessageReceived) -> bool:
        return message.is_robot or message.sender_code == self.robot_code

    def is_mentioned_in(self, message: GroupMessageReceived) -> bool:
        is_everybody = message.is_to_everybody or EVERYBODY in message.mentioned_codes
        return not self.is_robot(message) and (
            is_everybody or not self.owner_codes.isdisjoint(message.mentioned_codes)
        )


def served_groups(group_codes: Iterable[str]) -> dict[str, ServedGroup]:
    """Return the active groups of these codes, locked against being cancelled until the transaction ends."""
    return {
        code: ServedGroup(pk, robot, frozenset(filter(None, (robot, user, owner))))
        for code, pk, robot, user, owner in db.rows(_LOCK_SERVED, [list(set(group_codes))])
    }


def store_messages(
    received: Sequence[MessageEvent], groups: Mapping[str, ServedGroup], *, at: datetime
) -> set[str]:
    """Store these messages of active groups and notify owners of mentions. Returns the event_ids of the new messages."""
    ids = {str(id_by_arrival(event.number)): event for event in received}
    rows = [_row(pk, event, groups[event.body.group_code]) for pk, event in ids.items()]
    new = {pk: ids[pk] for (pk,) in db.rows(_INSERT, [orjson.dumps(rows).decode()])}
    _record_mentions(
        {pk: event for pk, event in new.items() if groups[event.body.group_code].is_mentioned_in(event.body)},
        groups,
        at,
    )
    return {event.event_id for event in new.values()}


def id_by_arrival(number: int) -> UUID:
    """Return a new id that sorts by this number: a UUID of version 8 that begins with it.

    WeChat's times have whole seconds; ids order the messages of one second by arrival.
    """
    high, low = number >> 12 & (1 << 48) - 1, number & 0xFFF
    return UUID(int=high << 80 | 0x8 << 76 | low << 64 | 0b10 << 62 | secrets.randbits(62))


def _row(pk: str, event: MessageEvent, group: ServedGroup) -> dict[str, Any]:
    message = event.body
    return {
        "id": pk,
        "group_id": group.pk,
        "message_no": message.message_no,
        "sender_code": message.sender_code,
        "is_robot": group.is_robot(message),
        "content": message.parts,
        "sent_at": event.moment(message.sent_at),
    }


def _record_mentions(mentions: Mapping[str, MessageEvent], groups: Mapping[str, ServedGroup], at: datetime) -> None:
    if not mentions:
        return
    group_ids = {pk: UUID(groups[event.body.group_code].pk) for pk, event in mentions.items()}
    rows = Group.objects.select_related("robot", "user").in_bulk(set(group_ids.values()))
    Mention.objects.bulk_create(
        Mention(
            message_id=pk,
            group=rows[group_ids[pk]],
            user=rows[group_ids[pk]].user,
            mentioned_at=event.moment(event.body.sent_at),
        )
        for pk, event in mentions.items()
    )
    for pk in sorted(mentions, key=group_ids.__getitem__):  # notifying updates groups: in the order of locks
        notify_owner(group=rows[group_ids[pk]], source=Source(SourceType.MENTION, str(pk)), at=at)
