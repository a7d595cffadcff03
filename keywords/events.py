"""What keywords hear of gateway events. groups.events has kept the message before us."""

from django.conf import settings

from groups.models import Group
from integrations.events import Event, subscribe, word
from keywords import replies
from robots.models import MessageType


@subscribe("group_message")
def on_message(event: Event) -> None:
    """A person's text may trigger replies."""
    told = event.body
    group = Group.objects.active().select_related("robot").filter(code=word(told, "group_id")).first()
    if group is None or not _is_for_us(told, group):
        return
    replies.answer(
        group=group,
        speaker_code=word(told, "user_id"),
        words=str(told.get("content") or ""),
        cause=f"keyword:{event.event_id}",
        at=event.received_at,
    )


def _is_for_us(told: dict[str, object], group: Group) -> bool:
    is_text = told.get("type") in (MessageType.TEXT, str(int(MessageType.TEXT)))
    is_robot = told.get("is_robot") in (True, 1, "1") or told.get("user_id") == group.robot.code
    at_users = told.get("at_users")
    mentions = at_users if isinstance(at_users, list) else []
    return is_text and not is_robot and (not settings.KEYWORD_NEEDS_MENTION or group.robot.code in mentions)
