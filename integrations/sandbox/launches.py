"""Fakes of the launch system and of customer service, which store what they receive."""

from integrations.sandbox.server import SandboxRequest, SandboxResponse
from integrations.sandbox.state import State


class FakeLaunchSystem:
    def __init__(self, state: State) -> None:
        self.state = state

    def owns(self, request: SandboxRequest) -> bool:
        return request.path.startswith("/launch-api/launch/")

    def __call__(self, request: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(request):
            return None
        body = request.json
        with self.state.lock:
            if request.path.endswith("/syncslotinfo"):
                for slot in body["data"]:
                    self.state.note("switch", groupId=slot["groupId"], on=int(slot["limits"][0]["time"] == -1))
            else:
                result = {name: body[name] for name in ("launchId", "groupId", "state")}
                self.state.note("launch_result", **result)
        return SandboxResponse({"resultCode": 100, "resultMsg": "ok"})


class FakeCustomerService:
    """A fake that accepts visitors' messages, and refuses text with 违禁 in it."""

    def __init__(self, state: State) -> None:
        self.state = state

    def owns(self, request: SandboxRequest) -> bool:
        return request.path == "/forwardMessage"

    def __call__(self, request: SandboxRequest) -> SandboxResponse | None:
        if not self.owns(request):
            return None
        body = request.json
        if "违禁" in body["content"]:
            return SandboxResponse({"code": 400, "message": "内容不合规"})
        with self.state.lock:
            self.state.note("forwarded", body=body)
        return SandboxResponse({"code": 200, "message": "ok"})
