"""Launches and mass messages, made as the product makes them."""

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

WORDS: dict[str, Any] = {"type": 1, "content": "大家好"}
TEXT: dict[str, Any] = {"type": 3, "content": "周末有活动", "title": "", "desc": "", "url": ""}
_ADDRESS = "https://example.com/a.png"
PICTURE: dict[str, Any] = {"type": 8, "content": _ADDRESS, "title": "", "desc": "", "url": _ADDRESS}


def reachable(**facts: Any) -> Group:
    """A group with a robot that the sandbox's gateway drives, so that what is said there arrives."""
    robot = Robot.objects.filter(code="sandbox-robot-1").first() or RobotFactory(code="sandbox-robot-1")
    return GroupFactory(robot=robot, **facts)


def launched(*groups: Group, items: list[dict[str, Any]] | None = None, at: datetime | None = None) -> Launch:
    """A launch to these groups, received a moment ago."""
    launch, _ = launch_intake.receive_launch(
        task_id=str(uuid4()),
        references=[group.code for group in groups],
        items=items or [WORDS],
        by="投放系统",
        at=at or timezone.now(),
    )
    return launch


def drafted(user: User, *, at: datetime | None = None) -> MassMessageDraft:
    """What a user forwarded to the robot just now."""
    return mass_message_drafts.create_draft(user=user, content=PICTURE, at=at or timezone.now())


def scheduled(user: User, *groups: Group, send_at: datetime | None = None, words: str = "") -> MassMessage:
    """A picture of this user for these groups, with words behind it if any; in an hour when no moment is named."""
    now = timezone.now()
    return mass_messages.complete_draft(
        user=user,
        draft_id=str(drafted(user).pk),
        message=TEXT | {"content": words},
        references=[group.code for group in groups],
        send_at=send_at or now + timedelta(hours=1),
        at=now,
    )
