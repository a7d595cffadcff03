"""Private messages between users and robots."""

from typing import Any

from django.test import TestCase

from tests.support.entry_points import gateway_sends, private_messages_to


def receive_private_message(text: Any = None, *, user: str = "wx-alice", robot: str = "r1", **fields: Any) -> None:
    """Receive a user's private message to a robot, and run the on-commit callbacks (the position in the menu)."""
    answer = {"robot_id": robot, "user_id": user, "type": 3, "content": text}
    with TestCase.captureOnCommitCallbacks(execute=True):
        gateway_sends(("private_message", answer | fields))


def last_message_to(user_code: str = "wx-alice") -> str:
    return private_messages_to(user_code)[-1]
