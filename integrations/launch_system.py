"""The client of the advertisers' launch system: it reports launch switches and the results of launches."""

from typing import Any

from django.conf import settings

from integrations.http import CallSlots, ResponseFormat, send

SYSTEM = "launch"
_FORMAT = ResponseFormat(SYSTEM, code="resultCode", done="100", message="resultMsg")
# Results are reported by threads of their own. With the slots of the switches, they would leave none for these.
RESULTS_AT_ONCE = 8
_RESULT_SLOTS = CallSlots("launch results", RESULTS_AT_ONCE)


class LaunchSystem:
    def __init__(self, base_url: str, timeout: float) -> None:
        self.base_url, self.timeout = base_url.rstrip("/"), timeout

    @classmethod
    def from_settings(cls) -> "LaunchSystem":
        return cls(settings.LAUNCH_BASE_URL, settings.LAUNCH_TIMEOUT)

    def set_switches(self, switches: dict[str, bool]) -> None:
        """Report, by group code, which groups take launches."""
        data = [
            {"groupId": group, "limits": [{"type": 1, "time": -1 if on else 0}]} for group, on in switches.items()
        ]
        self._post("syncslotinfo", {"command": "update", "source": 2, "data": data})

    def report(self, *, launch: str, group: str, sent: bool) -> None:
        """Report whether a launch was sent in a group."""
        result = {"launchId": launch, "groupId": group, "state": 1 if sent else 2}
        self._post("updatelaunchresult", result, slots=_RESULT_SLOTS)

    def _post(self, name: str, body: dict[str, Any], *, slots: CallSlots | None = None) -> None:
        url = f"{self.base_url}/launch-api/launch/{name}"
        _FORMAT.read_response(send(SYSTEM, "POST", url, timeout=self.timeout, json=body, slots=slots))
