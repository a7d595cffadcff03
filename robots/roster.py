"""Which robots there are, as the gateway tells it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.robot_gateway import RobotGateway
from robots import pool
from robots.models import Robot


@dataclass(frozen=True)
class Synced:
    """How a sync went."""

    created: int
    updated: int

    @property
    def total(self) -> int:
        return self.created + self.updated


def sync_robots(gateway: RobotGateway | None = None) -> Synced:
    """Take over what the gateway says of its robots; status, quotas and robots it does not name stay as they are."""
    named = [_robot(words) for words in (gateway or RobotGateway.from_settings()).robots() if words.get("robot_id")]
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
        code=str(words["robot_id"])[:128],
        name=str(words.get("name") or words["robot_id"])[:128],
        wechat_no=str(words.get("wechat_no") or "")[:128],
        avatar_url=str(words.get("head_url") or "")[:1024],
        qr_code_url=str(words.get("qr_code") or "")[:1024],
        channel=str(words.get("channel") or "")[:64],
    )
