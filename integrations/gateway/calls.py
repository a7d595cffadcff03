"""What can be asked of the robot gateway, in its own words. Codes of robots, groups and users in.

A `message_no` seen twice is sent once, so whoever does not know what became of a call may make it again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from integrations.http import Messages

SYSTEM = "gateway"
_WORDING = Messages(SYSTEM, code="code", done="100", message="description")


class GatewayCall(NamedTuple):
    """One `POST /gbot/<name>`."""

    name: str
    body: Mapping[str, Any]


def group_message(
    *, robot: str, group: str, message: dict[str, Any], users: Sequence[str] = (), everyone: bool = False
) -> GatewayCall:
    """Say one message (`type content title url desc voice_time message_no`) in a group."""
    body = {
        "robot_id": robot,
        "group_id": group,
        "users": users,
        "all": everyone,
        "messages": [message],
    }
    return GatewayCall("send_group_message", body)


def private_message(*, robot: str, user: str, message: dict[str, Any]) -> GatewayCall:
    """Say one message to a friend of the robot."""
    body = {"robot_id": robot, "user_id": user, "users": [], "all": False, "messages": [message]}
    return GatewayCall("send_private_message", body)


def recall_message(*, robot: str, message_no: str) -> GatewayCall:
    return GatewayCall("recall_message", {"robot_id": robot, "message_no": message_no})


def bind_group(*, robot: str, group: str, user: str, name: str) -> GatewayCall:
    """Take a group on; `bind_group_success` or `robot_join_failed` follows as an event."""
    return GatewayCall("bind_group", {"robot_id": robot, "group_id": group, "user_id": user, "name": name})


def unbind_group(*, robot: str, group: str, reason: str) -> GatewayCall:
    return GatewayCall("unbind_group", {"robot_id": robot, "group_id": group, "reason": reason})


def sync_group_members(*, robot: str, group: str) -> GatewayCall:
    """Ask for `group_members` and `group_info` events."""
    return GatewayCall("sync_group_members", {"robot_id": robot, "group_id": group})


def robot_nickname(*, robot: str, group: str, nickname: str) -> GatewayCall:
    """Have the robot carry this name in the group."""
    body = {"robot_id": robot, "group_id": group, "nickname": nickname}
    return GatewayCall("modify_group_robot_nickname", body)


def data_of(status: int, answer: Any) -> Any:
    """Return what a parsed answer brings; raises as `Wording.read` does."""
    return _WORDING.read(status, answer).get("data")
