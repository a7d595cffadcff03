"""A fake of the robot gateway: it has five robots, sends each message once, and posts events to the app."""

import logging
import queue
import threading
import time
import uuid
from typing import Any

import requests
from django.utils import timezone

from integrations.gateway.event_body import EventBody
from integrations.gateway.events import (
    GroupBound,
    GroupDescribed,
    GroupUnbound,
    ListedMember,
    MembersListed,
    RobotPresence,
)
from integrations.sandbox.pictures import square_png
from integrations.sandbox.server import SandboxRequest, SandboxResponse
from integrations.sandbox.state import State, now

logger = logging.getLogger(__name__)

OTHERS_IN_A_GROUP = 3


class EventPoster(threading.Thread):
    """A thread that posts events to the app in their order, and repeats each until the app has accepted it."""

    def __init__(self, app_url: str, api_key: str) -> None:
        super().__init__(name="events", daemon=True)
        self.url, self.headers = f"{app_url}/gateway/events", {"X-Api-Key": api_key} if api_key else {}
        self.waiting: queue.Queue[list[dict[str, Any]]] = queue.Queue()

    def post(self, body: EventBody) -> None:
        event_id = f"sandbox-{uuid.uuid4().hex}"
        self.waiting.put([{"event_id": event_id, "command": body.command, "body": body.payload()}])

    def run(self) -> None:
        while True:
            events = self.waiting.get()
            pause = 0.2
            while not self._accepted(events):
                time.sleep(pause)
                pause = min(pause * 2, 5)

    def _accepted(self, events: list[dict[str, Any]]) -> bool:
        try:
            answer = requests.post(self.url, json=events, headers=self.headers, timeout=10)
            return bool(answer.json()["code"] == 1200)
        except (requests.RequestException, ValueError, KeyError):
            logger.debug("the app does not take events yet")
            return False


class FakeGateway:
    """The paths `/gbot/...` and the pictures of the robots."""

    def __init__(self, state: State, poster: EventPoster, own_url: str) -> None:
        self.state, self.poster = state, poster
        self.robots = {
            f"sandbox-robot-{number}": {
                "robot_id": f"sandbox-robot-{number}",
                "name": f"小助手{number}号",
                "wechat_no": f"sandbox_wx_{number}",
                "head_url": f"{own_url}/pictures/head-{number}.png",
                "qr_code": f"{own_url}/pictures/qr-{number}.png",
                "channel": "",
            }
            for number in range(1, 6)
        }

    def owns(self, request: SandboxRequest) -> bool:
        return request.path.startswith(("/gbot/", "/pictures/"))

    def __call__(self, request: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(request):
            return None
        if request.path.startswith("/pictures/"):
            return SandboxResponse(square_png(request.path), content_type="image/png")
        if request.method == "GET":
            return self._read(request)
        action = getattr(self, f"_{request.path.removeprefix('/gbot/')}", None)
        if action is None:
            return _refuse("404", "no such call")
        body = request.json
        if body.get("robot_id") not in self.robots:
            return _refuse("301", "unknown robot")
        with self.state.lock:
            return SandboxResponse({"code": "100", "description": "", "data": action(body)})

    def _read(self, request: SandboxRequest) -> SandboxResponse:
        parts = request.path.removeprefix("/gbot/").split("/")
        with self.state.lock:
            if parts == ["robots"]:
                data: Any = list(self.robots.values())
            elif parts == ["users"]:
                codes = request.query.get("user_ids", "").split("|")
                data = [{"user_id": code, "nickname": code, "avatar": ""} for code in codes if code]
            elif parts[0] == "group" and parts[1] in self.state.bound:
                data = self._info(self.state.bound[parts[1]]).payload()
            elif parts[0] == "robot" and parts[1] in self.robots:
                data = self.robots[parts[1]] if len(parts) == 2 else self._groups_of(parts[1])
            else:
                return _refuse("404", "not found")
        return SandboxResponse({"code": "100", "description": "", "data": data})

    def _groups_of(self, robot: str) -> list[dict[str, Any]]:
        return [self._info(group).payload() for group in self.state.bound.values() if group["robot_id"] == robot]

    def _send_group_message(self, body: dict[str, Any]) -> None:
        for message in body["messages"]:
            self.state.note(
                "message",
                robot_id=body["robot_id"],
                group_id=body.get("group_id"),
                user_id=body.get("user_id"),
                users=body.get("users", []),
                type=message.get("type"),
                content=message.get("content"),
                title=message.get("title"),
                url=message.get("url"),
                desc=message.get("desc"),
                message_no=str(message["message_no"]),
                received_at=now(),
            )

    _send_private_message = _send_group_message

    def _recall_message(self, body: dict[str, Any]) -> None:
        self.state.note("recalled", message_no=str(body["message_no"]))

    def _bind_group(self, body: dict[str, Any]) -> None:
        """Bind a group and post the event. Does nothing for a group that the robot has bound already."""
        if self.state.bound.get(body["group_id"], {}).get("robot_id") == body["robot_id"]:
            return
        binding = {name: body.get(name, "") for name in ("robot_id", "group_id", "user_id", "name")}
        self.state.note("bound", **binding)
        event = GroupBound(
            robot_code=binding["robot_id"],
            group_code=binding["group_id"],
            user_code=binding["user_id"],
            name=binding["name"],
            bound_at=timezone.now(),
        )
        self.poster.post(event)

    def _unbind_group(self, body: dict[str, Any]) -> None:
        self.state.note("unbound", group_id=body["group_id"])
        self.poster.post(GroupUnbound(robot_code=body["robot_id"], group_code=body["group_id"]))

    def _sync_group_members(self, body: dict[str, Any]) -> None:
        group = self.state.bound.get(body["group_id"]) or {**body, "user_id": "", "name": ""}
        self.poster.post(MembersListed(group_code=group["group_id"], members=self._members(group)))
        self.poster.post(self._info(group))

    def _modify_group_robot_nickname(self, body: dict[str, Any]) -> None:
        self.state.note("nickname", group_id=body["group_id"], nickname=body["nickname"])

    def _members(self, group: dict[str, Any]) -> list[ListedMember]:
        owner = group.get("user_id")
        others = [f"{group['group_id']}-member-{number}" for number in range(1, OTHERS_IN_A_GROUP + 1)]
        return [
            ListedMember(group_code=group["group_id"], user_code=code, nickname=code, is_admin=code == owner)
            for code in [*([owner] if owner else []), *others]
        ]

    def _info(self, group: dict[str, Any]) -> GroupDescribed:
        return GroupDescribed(
            group_code=group["group_id"],
            name=group.get("name") or group["group_id"],
            owner_code=group.get("user_id", ""),
            member_count=len(self._members(group)) + 1,
            robots=[RobotPresence(robot_code=group["robot_id"], is_in_group=True)],
        )


def _refuse(code: str, description: str) -> SandboxResponse:
    return SandboxResponse({"code": code, "description": description, "data": None})
