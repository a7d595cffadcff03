"""Subscribers of gateway events about keywords.

groups.subscribers runs first: it has stored the messages and locked their groups, so that none is cancelled before the
replies are written.
"""

from collections.abc import Iterator, Mapping, Sequence

from groups.models import Group
from integrations.gateway.payloads import codes_in, is_true, text_in
from integrations.gateway.subscriptions import Event, subscribe, subscribe_in_bulk, text_field
from keywords import batches, replies
from keywords.matcher import matcher
from keywords.quotes import without_quotation
from robots.models import Source, SourceType


@subscribe_in_bulk("group_message")
def reply_to_messages(events: Sequence[Event]) -> Mapping[str, str]:
    """Reply to texts that contain keywords."""
    matcher.refresh()
    replies.send_replies(_texts(events))
    return {}


@subscribe("group_info")
def delete_keywords_of_former_owner(event: Event) -> None:
    """Delete keywords of former owners: groups.subscribers may have stored another owner in WeChat."""
    found = Group.objects.active().filter(code=text_field(event.body, "id"))
    batches.delete_of_former_owners(list(found.values_list("pk", flat=True)))


def _texts(events: Sequence[Event]) -> Iterator[replies.ReceivedText]:
    """Yield the texts of people in groups that have keywords, without quotations, which are texts of others."""
    for event in events:
        group_code = text_field(event.body, "group_id")
        if not matcher.has_keywords(group_code) or is_true(event.body.get("is_robot")):
            continue
        if text := without_quotation(text_in(event.body) or ""):
            yield replies.ReceivedText(
                group_code=group_code,
                speaker_code=text_field(event.body, "user_id"),
                text=text,
                at_users=codes_in(event.body.get("at_users")),
                source=Source(SourceType.KEYWORD, event.event_id),
                at=event.received_at,
            )
