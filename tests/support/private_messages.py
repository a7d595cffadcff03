"""Private talk between users and robots."""

from typing import Any

from django.test import TestCase

from tests.support.entry_points import gateway_tells, said_to


def tells_robot(words: Any = None, *, user: str = "wx-alice", robot: str = "r1", **facts: Any) -> None:
    """A user says this to a robot in private; what waits for the commit (the place in the menu) is done too."""
    told = {"robot_id": robot, "user_id": user, "type": 3, "content": words}
    with TestCase.captureOnCommitCallbacks(execute=True):
        gateway_tells(("private_message", told | facts))


def last_said_to(user_code: str = "wx-alice") -> str:
    return said_to(user_code)[-1]
