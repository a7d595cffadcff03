"""The scan page: a visitor always gets the same robot, and the user who shared the page is stored as inviter."""

from datetime import datetime

from django.db import transaction

from accounts.blocking import Blocked
from accounts.models import User
from config.platform.dates import day_of
from config.platform.locks import take_lock
from robots import pool
from robots.models import Robot, Scan


def assign_to_visitor(*, union_id: str, open_id: str, inviter: User | None, channel: str, at: datetime) -> Robot:
    """Return the visitor's robot: the earlier one while it works, else a new one of the channel.

    Raises NoRobotFree (1600), and Blocked (1401) for the WeChat account of a blocked user.
    """
    if User.objects.filter(union_id=union_id, blocked_at__isnull=False).exists():
        raise Blocked
    if inviter is not None and inviter.union_id == union_id:
        inviter = None
    with transaction.atomic():
        _lock_visitor(union_id)
        known = Scan.objects.select_related("robot").filter(union_id=union_id).first()
        if known is None:
            robot = pool.assign(channel=channel, at=at)
            Scan.objects.create(
                union_id=union_id,
                open_id=open_id,
                robot=robot,
                inviter=inviter,
                channel=channel,
                scanned_at=at,
                assigned_at=at,
            )
            return robot
        return _repeat(known, open_id, inviter, at)


def _repeat(known: Scan, open_id: str, inviter: User | None, at: datetime) -> Robot:
    """Update a visitor's scan. The first sharer stays the inviter; a robot that no longer works is replaced."""
    known.open_id = open_id or known.open_id
    known.inviter = known.inviter or inviter
    if not known.robot.is_working:
        known.robot = pool.assign(channel=known.channel, at=at)
        known.assigned_at = at
    known.save()
    return known.robot


def _lock_visitor(union_id: str) -> None:
    """Lock a visitor until the transaction ends, by an advisory lock: a first visit has no row to lock."""
    take_lock("robots_scan", union_id)


def scan_of(union_id: str) -> Scan | None:
    """Return the visitor's scan, None before the first visit."""
    return Scan.objects.select_related("inviter", "robot").filter(union_id=union_id).first()


def robot_for(user: User, *, at: datetime) -> Robot:
    """Return the robot to show a user: the befriended one with most quota, else the last assigned, else a new one.

    Raises NoRobotFree (1600), and Blocked (1401) when a blocked user would need a new one.
    """
    befriended = pool.best_of(Robot.objects.filter(friendships__user=user), day=day_of(at))
    if befriended is not None:
        return befriended
    if not user.union_id:
        raise pool.NoRobotFree
    known = scan_of(user.union_id)
    if known is not None and known.robot.is_working:
        return known.robot
    return assign_to_visitor(
        union_id=user.union_id, open_id=user.open_id, inviter=None, channel=user.channel, at=at
    )
