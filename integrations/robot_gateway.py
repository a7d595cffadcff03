"""The robot gateway, one call at a time. (Many at once: `integrations.gateway_line`; what it tells us: the inbox.)"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from django.conf import settings

from integrations.gateway_calls import SYSTEM, GatewayCall, data_of
from integrations.http import json_of, send


class RobotGateway:
    """Asks and waits for the answer: Refused, Unavailable or OutcomeUnknown when it is not "done"."""

    def __init__(self, base_url: str, token: str, timeout: float) -> None:
        self.base_url, self.timeout = base_url.rstrip("/"), timeout
        self.headers = {"X-Gateway-Token": token} if token else {}

    @classmethod
    def from_settings(cls) -> "RobotGateway":
        return cls(settings.GATEWAY_BASE_URL, settings.GATEWAY_TOKEN, settings.GATEWAY_TIMEOUT)

    def ask(self, call: GatewayCall) -> Any:
        """Have one thing done."""
        return self._answer("POST", f"{self.base_url}/gbot/{call.name}", json=call.body)

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

    def _get(self, name: str, **params: str) -> Any:
        return self._answer("GET", f"{self.base_url}/gbot/{name}", params=params)

    def _answer(self, method: str, url: str, **words: Any) -> Any:
        response = send(SYSTEM, method, url, timeout=self.timeout, headers=self.headers, **words)
        return data_of(json_of(SYSTEM, response))
