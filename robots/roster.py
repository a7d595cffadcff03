"""Which robots there are, as the gateway tells it."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.gateway.client import RobotGateway
from integrations.gateway.inbox import clean
from integrations.gateway.payloads import address_in, code_in, display_text
from robots import pool
from robots.models import Robot

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Synced:
    """How a sync went."""

    created: int
    updated: int

    @property
    def total(self) -> int:
        return self.created + self.updated


def sync_robots(gateway: RobotGateway | None = None) -> Synced:
    """Take over what the gateway says of its robots; status, quotas and robots it does not name stay as they are.

    What names no robot is passed over; the others count.
    """
    rows = clean((gateway or RobotGateway.from_settings()).robots())
    named = [_robot(words) for words in rows if code_in(words, "robot_id")]
    if len(named) < len(rows):
        logger.warning("%s of the gateway's %s robots have no proper robot_id", len(rows) - len(named), len(rows))
    told = {robot.code: robot for robot in named}  # the last word on a robot counts
    with transaction.atomic():
        known = pool.lock(Robot.objects.filter(code__in=told))
        Robot.objects.bulk_create(
            [told[code] for code in sorted(told)],
            update_conflicts=True,
            unique_fields=["code"],
            update_fields=["name", "wechat_no", "avatar_url", "qr_code_url", "channel"],
        )
    return Synced(created=len(told) - len(known), updated=len(known))


def ban(robot: Robot, *, at: datetime) -> None:
    """WeChat banned a robot: it says and takes on nothing any more. The moment of the first time is kept."""
    Robot.objects.filter(pk=robot.pk, banned_at=None).update(status=Robot.Status.BANNED, banned_at=at)


def _robot(words: dict[str, Any]) -> Robot:
    return Robot(
        code=code_in(words, "robot_id"),
        name=display_text(words, "name") or code_in(words, "robot_id"),
        wechat_no=display_text(words, "wechat_no"),
        avatar_url=address_in(words, "head_url"),
        qr_code_url=address_in(words, "qr_code"),
        channel=display_text(words, "channel", max_length=64),
    )
