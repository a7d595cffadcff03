"""The client that makes one gateway call at a time. `integrations.gateway.pool` makes many at once."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from django.conf import settings

from integrations.gateway.calls import SYSTEM, GatewayCall, data_of
from integrations.http import OutcomeUnknown, json_of, send


class RobotGateway:
    """A client that waits for each answer. Raises Refused, Unavailable or OutcomeUnknown when it is not "done"."""

    def __init__(self, base_url: str, token: str, timeout: float) -> None:
        self.base_url, self.timeout = base_url.rstrip("/"), timeout
        self.headers = {"X-Gateway-Token": token} if token else {}

    @classmethod
    def from_settings(cls) -> "RobotGateway":
        return cls(settings.GATEWAY_BASE_URL, settings.GATEWAY_TOKEN, settings.GATEWAY_TIMEOUT)

    def call(self, call: GatewayCall) -> Any:
        """Make one call and return the `data` of its answer."""
        return self._answer("POST", f"{self.base_url}/gbot/{call.name}", json=call.body)

    def users(self, codes: Sequence[str]) -> list[dict[str, Any]]:
        return _rows(self._get("users", user_ids="|".join(codes)))

    def group(self, code: str) -> dict[str, Any]:
        return _row(self._get(f"group/{quote(code, safe='')}"))

    def robots(self) -> list[dict[str, Any]]:
        """Return all our robots: `robot_id name wechat_no head_url qr_code channel`."""
        return _rows(self._get("robots"))

    def robot(self, code: str) -> dict[str, Any]:
        return _row(self._get(f"robot/{quote(code, safe='')}"))

    def robot_groups(self, code: str) -> list[dict[str, Any]]:
        return _rows(self._get(f"robot/{quote(code, safe='')}/groups"))

    def _get(self, name: str, **params: str) -> Any:
        return self._answer("GET", f"{self.base_url}/gbot/{name}", params=params)

    def _answer(self, method: str, url: str, **content: Any) -> Any:
        response = send(SYSTEM, method, url, timeout=self.timeout, headers=self.headers, **content)
        return data_of(response.status_code, json_of(SYSTEM, response))


def _row(data: Any) -> dict[str, Any]:
    """Return the object of an answer, an empty one for null. Raises OutcomeUnknown for anything else."""
    if not isinstance(data, dict | None):
        raise OutcomeUnknown(SYSTEM, "answer without an object")
    return data or {}


def _rows(data: Any) -> list[dict[str, Any]]:
    """Return the list of an answer, an empty one for null. Raises OutcomeUnknown for anything else."""
    if not isinstance(data, list | None):
        raise OutcomeUnknown(SYSTEM, "answer without a list")
    return data or []
