"""What keywords hear of gateway events. groups.events has kept the message before us."""

from django.conf import settings

from groups.models import Group
from integrations.events import Event, subscribe, word
from keywords import replies
from robots.heard import codes_in, is_text, is_true, parts_of


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
        words=str(parts_of(told)["content"] or ""),
        cause=f"keyword:{event.event_id}",
        at=event.received_at,
    )


def _is_for_us(told: dict[str, object], group: Group) -> bool:
    is_robot = is_true(told.get("is_robot")) or word(told, "user_id") == group.robot.code
    if is_robot or not is_text(parts_of(told)):
        return False
    return not settings.KEYWORD_NEEDS_MENTION or group.robot.code in codes_in(told.get("at_users"))
