"""What keywords hear of gateway events.

groups.subscribers has kept the messages before us, and holds their groups: nobody cancels one before its replies are written.
"""

from collections.abc import Iterator, Mapping, Sequence

from groups.models import Group
from integrations.gateway.payloads import codes_in, is_true, text_in
from integrations.gateway.subscriptions import Event, subscribe, subscribe_in_bulk, word
from keywords import batches, replies
from keywords.matcher import matcher
from keywords.quotes import without_quotation


@subscribe_in_bulk("group_message")
def on_messages(events: Sequence[Event]) -> Mapping[str, str]:
    """People's texts may trigger replies."""
    matcher.look()
    replies.send_replies(_texts(events))
    return {}


@subscribe("group_info")
def on_info(event: Event) -> None:
    """It may name another owner in WeChat, as groups.subscribers has noted: the former one's keywords end."""
    found = Group.objects.active().filter(code=word(event.body, "id"))
    batches.delete_of_former_owners(list(found.values_list("pk", flat=True)))


def _texts(events: Sequence[Event]) -> Iterator[replies.ReceivedText]:
    """Yield what people said as text in groups that have keywords; what they quote was said before."""
    for event in events:
        group_code = word(event.body, "group_id")
        if not matcher.knows(group_code) or is_true(event.body.get("is_robot")):
            continue
        if words := without_quotation(text_in(event.body) or ""):
            yield replies.ReceivedText(
                group_code=group_code,
                speaker_code=word(event.body, "user_id"),
                words=words,
                at_users=codes_in(event.body.get("at_users")),
                cause=f"keyword:{event.event_id}",
                at=event.received_at,
            )
