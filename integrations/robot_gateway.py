"""The robot gateway: what we ask of it. (What it tells us comes in through `integrations.inbox`.)"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from django.conf import settings

from integrations.http import OutcomeUnknown, Refused, json_of, send

SYSTEM = "gateway"
DONE = "100"


class RobotGateway:
    """Codes of robots, groups and users in, plain dicts out. A `message_no` seen twice is sent once."""

    def __init__(self, base_url: str, token: str, timeout: float) -> None:
        self.base_url, self.timeout = base_url.rstrip("/"), timeout
        self.headers = {"X-Gateway-Token": token} if token else {}

    @classmethod
    def from_settings(cls) -> "RobotGateway":
        return cls(settings.GATEWAY_BASE_URL, settings.GATEWAY_TOKEN, settings.GATEWAY_TIMEOUT)

    def send_group_message(
        self,
        *,
        robot: str,
        group: str,
        message: Mapping[str, Any],
        users: Sequence[str] = (),
        everyone: bool = False,
    ) -> None:
        """Say one message (`type content title url desc voice_time message_no`) in a group."""
        body = {
            "robot_id": robot,
            "group_id": group,
            "users": list(users),
            "all": everyone,
            "messages": [dict(message)],
        }
        self._post("send_group_message", body)

    def send_private_message(self, *, robot: str, user: str, message: Mapping[str, Any]) -> None:
        """Say one message to a friend of the robot."""
        body = {"robot_id": robot, "user_id": user, "users": [], "all": False, "messages": [dict(message)]}
        self._post("send_private_message", body)

    def recall_message(self, *, robot: str, message_no: str) -> None:
        self._post("recall_message", {"robot_id": robot, "message_no": message_no})

    def bind_group(self, *, robot: str, group: str, user: str, name: str) -> None:
        """Take a group on; `bind_group_success` or `robot_join_failed` follows as an event."""
        self._post("bind_group", {"robot_id": robot, "group_id": group, "user_id": user, "name": name})

    def unbind_group(self, *, robot: str, group: str, reason: str) -> None:
        self._post("unbind_group", {"robot_id": robot, "group_id": group, "reason": reason})

    def sync_group_members(self, *, robot: str, group: str) -> None:
        """Ask for `group_members` and `group_info` events."""
        self._post("sync_group_members", {"robot_id": robot, "group_id": group})

    def modify_group_robot_nickname(self, *, robot: str, group: str, nickname: str) -> None:
        self._post("modify_group_robot_nickname", {"robot_id": robot, "group_id": group, "nickname": nickname})

    def users(self, codes: Sequence[str]) -> list[dict[str, Any]]:
        return list(self._get("users", user_ids="|".join(codes)) or [])

    def group(self, code: str) -> dict[str, Any]:
        return dict(self._get(f"group/{quote(code, safe='')}") or {})

    def robots(self) -> list[dict[str, Any]]:
        """All robots of ours: `robot_id name wechat_no head_url qr_code channel`."""
        return list(self._get("robots") or [])

    def robot(self, code: str) -> dict[str, Any]:
        return dict(self._get(f"robot/{quote(code, safe='')}") or {})

    def robot_groups(self, code: str) -> list[dict[str, Any]]:
        return list(self._get(f"robot/{quote(code, safe='')}/groups") or [])

    def _post(self, name: str, body: Mapping[str, Any]) -> Any:
        return self._answer("POST", f"{self.base_url}/gbot/{name}", json=body)

    def _get(self, name: str, **params: str) -> Any:
        return self._answer("GET", f"{self.base_url}/gbot/{name}", params=params)

    def _answer(self, method: str, url: str, **words: Any) -> Any:
        response = send(SYSTEM, method, url, timeout=self.timeout, headers=self.headers, **words)
        answer = json_of(SYSTEM, response)
        if not isinstance(answer, dict) or "code" not in answer:
            raise OutcomeUnknown(SYSTEM, "answer without a code")
        if str(answer["code"]) != DONE:
            raise Refused(SYSTEM, str(answer["code"]), str(answer.get("description", "")))
        return answer.get("data")
