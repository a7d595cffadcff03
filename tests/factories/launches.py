"""Launches and mass messages, created by the product's own functions."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from accounts.models import User
from groups.models import Group
from launches import launch_intake, mass_message_drafts, mass_messages
from launches.models import Launch, MassMessage, MassMessageDraft
from robots.models import Robot
from tests.factories.people import GroupFactory, RobotFactory

TEXT_ITEM: dict[str, Any] = {"type": 1, "content": "大家好"}
TEXT: dict[str, Any] = {"type": 3, "content": "周末有活动", "title": "", "desc": "", "url": ""}
_ADDRESS = "https://example.com/a.png"
PICTURE: dict[str, Any] = {"type": 8, "content": _ADDRESS, "title": "", "desc": "", "url": _ADDRESS}


def reachable(**fields: Any) -> Group:
    """Return a group with a robot of the sandbox's gateway, so that messages to the group arrive."""
    robot = Robot.objects.filter(code="sandbox-robot-1").first() or RobotFactory(code="sandbox-robot-1")
    return GroupFactory(robot=robot, **fields)


def launched(*groups: Group, items: list[dict[str, Any]] | None = None, at: datetime | None = None) -> Launch:
    """Return a launch to these groups, received at `at`, now by default."""
    launch, _ = launch_intake.receive_launch(
        task_id=f"task-{uuid4().hex[:12]}",
        references=[group.code for group in groups],
        items=items or [TEXT_ITEM],
        by="投放系统",
        at=at or timezone.now(),
    )
    return launch


def drafted(user: User, *, at: datetime | None = None) -> MassMessageDraft:
    """Return a draft with a picture that the user forwarded to the robot."""
    return mass_message_drafts.create_draft(user=user, content=PICTURE, at=at or timezone.now())


def scheduled(user: User, *groups: Group, send_at: datetime | None = None, text: str = "") -> MassMessage:
    """Return a mass message to these groups, of a picture followed by the text, in an hour by default."""
    now = timezone.now()
    return mass_messages.complete_draft(
        user=user,
        draft_id=str(drafted(user).pk),
        message=TEXT | {"content": text},
        references=[group.code for group in groups],
        send_at=send_at or now + timedelta(hours=1),
        at=now,
    )
