"""Subscribers of gateway events about keywords.

groups.subscribers runs first: it has stored the messages and locked their groups, so that none is cancelled before the
replies are written.
"""

from collections.abc import Iterator, Mapping, Sequence

from groups.models import Group
from integrations.gateway.events import GroupDescribed, GroupMessageReceived
from integrations.gateway.payloads import text_of
from integrations.gateway.subscriptions import Event, subscribe, subscribe_in_bulk
from keywords import batches, replies
from keywords.matcher import matcher
from keywords.quotes import without_quotation
from robots.models import Source, SourceType


@subscribe_in_bulk(GroupMessageReceived)
def reply_to_messages(events: Sequence[Event[GroupMessageReceived]]) -> Mapping[str, str]:
    """Reply to texts that contain keywords."""
    matcher.refresh()
    replies.send_replies(_texts(events))
    return {}


@subscribe(GroupDescribed)
def delete_keywords_of_former_owner(event: Event[GroupDescribed]) -> None:
    """Delete the keywords of a former owner: groups.subscribers may have stored another owner in WeChat."""
    found = Group.objects.active().filter(code=event.body.group_code)
    batches.delete_of_former_owners(list(found.values_list("pk", flat=True)))


def _texts(events: Sequence[Event[GroupMessageReceived]]) -> Iterator[replies.ReceivedText]:
    """Yield the texts of people in groups that have keywords, without quotations, which are texts of others."""
    for event in events:
        message = event.body
        if not matcher.has_keywords(message.group_code) or message.is_robot:
            continue
        if text := without_quotation(text_of(message.parts)):
            yield replies.ReceivedText(
                group_code=message.group_code,
                speaker_code=message.sender_code,
                text=text,
                at_users=message.mentioned_codes,
                source=Source(SourceType.KEYWORD, event.event_id),
                at=event.received_at,
            )
