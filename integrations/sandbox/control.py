"""The control API, `/_/`: it shows what the sandbox received, and sets faults and the states of transfers."""

from typing import Any

from integrations.sandbox.pay import FakeWeChatPay
from integrations.sandbox.server import SandboxRequest, SandboxResponse
from integrations.sandbox.state import Record, State

MODES = ("ok", "error", "timeout", "garbage", "drop_reply", "slow")
BILL_STATES = ("SUCCESS", "FAIL", "WAIT_USER_CONFIRM", "PROCESSING", "NOT_ENOUGH")
_MESSAGE = [
    "robot_id",
    "group_id",
    "user_id",
    "users",
    "type",
    "content",
    "title",
    "url",
    "desc",
    "message_no",
    "received_at",
    "requests",
]
_INDEX = {
    "pages": ["GET /connect/oauth2/authorize?appid=sandbox&redirect_uri=&state=&login="],
    "control": [
        "GET /_/messages?robot_id=&group_id=&user_id=",
        "GET /_/sms?phone=",
        "GET /_/transfers",
        "GET /_/launch-results",
        'POST /_/faults {"system", "mode": "ok|error|timeout|garbage|drop_reply|slow", "rate": 1.0}',
        'POST /_/pay {"next_state": "SUCCESS|FAIL|WAIT_USER_CONFIRM|PROCESSING|NOT_ENOUGH"}',
        'POST /_/pay/{out_bill_no} {"state": "SUCCESS|FAIL"}',
        "DELETE /_/",
    ],
}


class ControlApi:
    def __init__(self, state: State, pay: FakeWeChatPay, systems: tuple[str, ...]) -> None:
        self.systems = systems
        self.state, self.pay = state, pay

    def __call__(self, request: SandboxRequest) -> SandboxResponse | None:
        if not request.path.startswith("/_/"):
            return None
        name = request.path.removeprefix("/_/")
        with self.state.lock:
            if request.method == "GET":
                return self._show(name, request)
            if request.method == "DELETE" and not name:
                self.state.forget()
                return SandboxResponse({"ok": True})
            return self._set(name, request.json)

    def _show(self, name: str, request: SandboxRequest) -> SandboxResponse:
        shown: dict[str, Any] = {
            "": {"plays": list(self.systems), **_INDEX},
            "messages": {"messages": self._messages(request)},
            "sms": {"sms": _picked(self.state.sms, request, "phone", ("phone", "content", "received_at"))},
            "transfers": {"transfers": [_transfer(bill) for bill in self.state.bills.values()]},
            "launch-results": {
                "results": _picked(self.state.launch_results, request, "", ("launchId", "groupId", "state"))
            },
        }
        return SandboxResponse(shown[name]) if name in shown else SandboxResponse({"error": "see /_/"}, 404)

    def _messages(self, request: SandboxRequest) -> list[Record]:
        wanted = {k: v for k, v in request.query.items() if k in ("robot_id", "group_id", "user_id")}
        return [
            {name: message.get(name) for name in _MESSAGE}
            for message in self.state.messages.values()
            if all(message.get(name) == value for name, value in wanted.items())
        ]

    def _set(self, name: str, body: Any) -> SandboxResponse:
        if name == "faults":
            rate = float(body.get("rate", 1.0))
            if body.get("system") not in self.systems or body.get("mode") not in MODES or not 0 <= rate <= 1:
                return SandboxResponse(
                    {"error": f"system: one of {self.systems}; mode: one of {MODES}; rate: 0 to 1"}, 400
                )
            self.state.note("fault", system=body["system"], mode=body["mode"], rate=rate)
        elif name == "pay" and body.get("next_state") in BILL_STATES:
            self.state.note(
                "next_bill",
                next_state=body["next_state"],
                fail_reason=body.get("fail_reason", "ACCOUNT_FROZEN"),
            )
        elif name.startswith("pay/") and name[4:] in self.state.bills and body.get("state") in BILL_STATES:
            self.pay.move(name[4:], body["state"])
        else:
            return SandboxResponse({"error": "see /_/"}, 404)
        return SandboxResponse({"ok": True})


def _picked(records: list[Record], request: SandboxRequest, key: str, names: tuple[str, ...]) -> list[Record]:
    wanted = request.query.get(key) if key else None
    return [{name: record[name] for name in names} for record in records if not wanted or record[key] == wanted]


def _transfer(bill: Record) -> Record:
    return {name: bill[name] for name in ("out_bill_no", "openid", "amount", "state", "requests")}
