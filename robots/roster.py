"""Which robots there are, as the gateway tells it."""

from dataclasses import dataclass
from typing import Any

from integrations.robot_gateway import RobotGateway
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
    told = [robot for robot in (gateway or RobotGateway.from_settings()).robots() if robot.get("robot_id")]
    known = set(Robot.objects.values_list("code", flat=True))
    Robot.objects.bulk_create(
        [_robot(words) for words in told],
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["name", "wechat_no", "avatar_url", "qr_code_url", "channel"],
    )
    created = sum(str(words["robot_id"]) not in known for words in told)
    return Synced(created=created, updated=len(told) - created)


def _robot(words: dict[str, Any]) -> Robot:
    return Robot(
        code=str(words["robot_id"])[:128],
        name=str(words.get("name") or words["robot_id"])[:128],
        wechat_no=str(words.get("wechat_no") or "")[:128],
        avatar_url=str(words.get("head_url") or "")[:1024],
        qr_code_url=str(words.get("qr_code") or "")[:1024],
        channel=str(words.get("channel") or "")[:64],
    )
