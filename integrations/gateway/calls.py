"""The calls of the robot gateway, with its own field names. Robots, groups and users are named by their codes.

The gateway sends a `message_no` that comes twice once, so a call whose outcome is unknown may be made again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from integrations.http import ResponseFormat

SYSTEM = "gateway"
_FORMAT = ResponseFormat(SYSTEM, code="code", done="100", message="description")


class GatewayCall(NamedTuple):
    """The request `POST /gbot/<name>`."""

    name: str
    body: Mapping[str, Any]


def send_group_message(
    *, robot: str, group: str, message: dict[str, Any], users: Sequence[str] = (), everyone: bool = False
) -> GatewayCall:
    """Return the call that sends one message (`type content title url desc voice_time message_no`) to a group."""
    body = {
        "robot_id": robot,
        "group_id": group,
        "users": users,
        "all": everyone,
        "messages": [message],
    }
    return GatewayCall("send_group_message", body)


def send_private_message(*, robot: str, user: str, message: dict[str, Any]) -> GatewayCall:
    """Return the call that sends one message to a friend of the robot."""
    body = {"robot_id": robot, "user_id": user, "users": [], "all": False, "messages": [message]}
    return GatewayCall("send_private_message", body)


def recall_message(*, robot: str, message_no: str) -> GatewayCall:
    return GatewayCall("recall_message", {"robot_id": robot, "message_no": message_no})


def bind_group(*, robot: str, group: str, user: str, name: str) -> GatewayCall:
    """Return the call that binds a group; `bind_group_success` or `robot_join_failed` follows as an event."""
    return GatewayCall("bind_group", {"robot_id": robot, "group_id": group, "user_id": user, "name": name})


def unbind_group(*, robot: str, group: str, reason: str) -> GatewayCall:
    return GatewayCall("unbind_group", {"robot_id": robot, "group_id": group, "reason": reason})


def sync_group_members(*, robot: str, group: str) -> GatewayCall:
    """Return the call that requests `group_members` and `group_info` events."""
    return GatewayCall("sync_group_members", {"robot_id": robot, "group_id": group})


def robot_nickname(*, robot: str, group: str, nickname: str) -> GatewayCall:
    """Return the call that sets the robot's nickname in the group."""
    body = {"robot_id": robot, "group_id": group, "nickname": nickname}
    return GatewayCall("modify_group_robot_nickname", body)


def data_of(status: int, answer: Any) -> Any:
    """Return the `data` of a parsed answer. Raises as `ResponseFormat.read` does."""
    return _FORMAT.read(status, answer).get("data")
