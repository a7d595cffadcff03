"""The robots as the gateway lists them."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.gateway.client import RobotGateway
from integrations.gateway.inbox import clean
from integrations.gateway.payloads import address_in, code_in, display_text
from integrations.gateway.subscriptions import EventIgnored
from robots import pool
from robots.models import Robot

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Synced:
    """The counts of one synchronization."""

    created: int
    updated: int

    @property
    def total(self) -> int:
        return self.created + self.updated


def sync_with_gateway(gateway: RobotGateway | None = None) -> Synced:
    """Create and update robots by the gateway's list. Status, quotas and robots that are not listed stay as they are.

    Items without a proper robot_id are skipped and logged.
    """
    rows = clean((gateway or RobotGateway.from_settings()).robots())
    named = [_robot(row) for row in rows if code_in(row, "robot_id")]
    if len(named) < len(rows):
        logger.warning("%s of the gateway's %s robots have no proper robot_id", len(rows) - len(named), len(rows))
    listed = {robot.code: robot for robot in named}  # of a robot that is listed twice the last item counts
    with transaction.atomic():
        known = pool.lock(Robot.objects.filter(code__in=listed))
        Robot.objects.bulk_create(
            [listed[code] for code in sorted(listed)],
            update_conflicts=True,
            unique_fields=["code"],
            update_fields=["name", "wechat_no", "avatar_url", "qr_code_url", "channel"],
        )
    return Synced(created=len(listed) - len(known), updated=len(known))


def known_robot(code: str) -> Robot:
    """Return the robot of an event. Raises EventIgnored when it is unknown."""
    robot = Robot.objects.filter(code=code).first()
    if robot is None:
        raise EventIgnored("机器人未知")
    return robot


def ban(robot: Robot, *, at: datetime) -> None:
    """Mark a robot as banned by WeChat, so that it sends and takes on nothing. The time of the first ban is kept."""
    Robot.objects.filter(pk=robot.pk, banned_at=None).update(status=Robot.Status.BANNED, banned_at=at)


def _robot(row: dict[str, Any]) -> Robot:
    return Robot(
        code=code_in(row, "robot_id"),
        name=display_text(row, "name") or code_in(row, "robot_id"),
        wechat_no=display_text(row, "wechat_no"),
        avatar_url=address_in(row, "head_url"),
        qr_code_url=address_in(row, "qr_code"),
        channel=display_text(row, "channel", max_length=64),
    )
