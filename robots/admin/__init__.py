"""Admin pages of robots and of the outbox."""

from robots.admin.outbox import OutboxMessageAdmin
from robots.admin.robots import FriendshipAdmin, RobotAdmin, RobotDayAdmin, ScanAdmin

__all__ = ["FriendshipAdmin", "OutboxMessageAdmin", "RobotAdmin", "RobotDayAdmin", "ScanAdmin"]
