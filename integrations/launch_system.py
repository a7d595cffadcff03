"""The advertisers' launch system: whether a group takes launches, and how each one went."""

from typing import Any

from django.conf import settings

from integrations.http import CallSlots, ResponseFormat, send

SYSTEM = "launch"
_WORDING = ResponseFormat(SYSTEM, code="resultCode", done="100", message="resultMsg")
# Results are told by threads of their own. In the places of the switches they would keep those out.
RESULTS_AT_ONCE = 8
_OF_RESULTS = CallSlots("launch results", RESULTS_AT_ONCE)


class LaunchSystem:
    def __init__(self, base_url: str, timeout: float) -> None:
        self.base_url, self.timeout = base_url.rstrip("/"), timeout

    @classmethod
    def from_settings(cls) -> "LaunchSystem":
        return cls(settings.LAUNCH_BASE_URL, settings.LAUNCH_TIMEOUT)

    def set_switches(self, switches: dict[str, bool]) -> None:
        """Tell, per group code, whether it takes launches."""
        data = [
            {"groupId": group, "limits": [{"type": 1, "time": -1 if on else 0}]} for group, on in switches.items()
        ]
        self._post("syncslotinfo", {"command": "update", "source": 2, "data": data})

    def report(self, *, launch: str, group: str, sent: bool) -> None:
        """Tell how one launch went in one group."""
        result = {"launchId": launch, "groupId": group, "state": 1 if sent else 2}
        self._post("updatelaunchresult", result, places=_OF_RESULTS)

    def _post(self, name: str, body: dict[str, Any], *, places: CallSlots | None = None) -> None:
        url = f"{self.base_url}/launch-api/launch/{name}"
        _WORDING.read_response(send(SYSTEM, "POST", url, timeout=self.timeout, json=body, places=places))
