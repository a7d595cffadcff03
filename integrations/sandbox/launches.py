"""Plays the launch system and customer service: takes what it is told."""

from integrations.sandbox.server import SandboxRequest, SandboxResponse
from integrations.sandbox.state import State


class FakeLaunchSystem:
    def __init__(self, state: State) -> None:
        self.state = state

    def owns(self, call: SandboxRequest) -> bool:
        return call.path.startswith("/launch-api/launch/")

    def __call__(self, call: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(call):
            return None
        body = call.json
        with self.state.lock:
            if call.path.endswith("/syncslotinfo"):
                for slot in body["data"]:
                    self.state.note("switch", groupId=slot["groupId"], on=int(slot["limits"][0]["time"] == -1))
            else:
                words = {name: body[name] for name in ("launchId", "groupId", "state")}
                self.state.note("launch_result", **words)
        return SandboxResponse({"resultCode": 100, "resultMsg": "ok"})


class FakeCustomerService:
    """Takes what visitors say, but for text with 违禁 in it."""

    def __init__(self, state: State) -> None:
        self.state = state

    def owns(self, call: SandboxRequest) -> bool:
        return call.path == "/forwardMessage"

    def __call__(self, call: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(call):
            return None
        body = call.json
        if "违禁" in body["content"]:
            return SandboxResponse({"code": 400, "message": "内容不合规"})
        with self.state.lock:
            self.state.note("forwarded", body=body)
        return SandboxResponse({"code": 200, "message": "ok"})
