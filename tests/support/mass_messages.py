"""Mass messages: completed through the API, and their states."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from launches.models import MassMessage
from launches.tasks import fire_mass_messages
from tests.factories.launches import TEXT, drafted, scheduled
from tests.support.client import ApiClient


def tomorrow(hour: int = 10, minute: int = 0) -> str:
    day = timezone.localtime() + timedelta(days=1)
    return f"{day:%Y-%m-%d} {hour:02}:{minute:02}:00"


def complete_draft(user: User, *references: str, **changes: Any) -> dict[str, Any]:
    draft_id = changes.pop("draft_id", None) or drafted(user).pk
    body = {"message": TEXT, "group_ids": list(references), "send_date": tomorrow()} | changes
    return ApiClient(user).put(f"/tasks/{draft_id}", body)


def statuses_of(message: MassMessage) -> list[int]:
    return list(message.groups.order_by("pk").values_list("status", flat=True))


def sent_to_outbox(user: User, *groups: Any) -> MassMessage:
    """Return a mass message that was just written to the outbox."""
    message = scheduled(user, *groups, send_at=timezone.now())
    fire_mass_messages()
    return message
