"""Models of robots and of the messages that they send."""

from robots.models.message import (
    MessageAttempt,
    MessageOperation,
    MessageStatus,
    OutboxMessage,
    OutboxMessageQuerySet,
    Source,
    SourceType,
    written_for,
)
from robots.models.robot import (
    MAX_GROUPS,
    MAX_GROUPS_A_DAY,
    Friendship,
    Robot,
    RobotDay,
    RobotQuerySet,
    RobotStatus,
    Scan,
)

__all__ = [
    "MAX_GROUPS",
    "MAX_GROUPS_A_DAY",
    "Friendship",
    "MessageAttempt",
    "MessageOperation",
    "MessageStatus",
    "OutboxMessage",
    "OutboxMessageQuerySet",
    "Robot",
    "RobotDay",
    "RobotQuerySet",
    "RobotStatus",
    "Scan",
    "Source",
    "SourceType",
    "written_for",
]
