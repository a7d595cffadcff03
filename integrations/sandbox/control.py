"""The control side, `/_/`: see what the sandbox was sent, and tell it to misbehave."""

from typing import Any

from integrations.sandbox.pay import PayPlayer
from integrations.sandbox.server import Call, Reply
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


class ControlPlayer:
    def __init__(self, state: State, pay: PayPlayer, systems: tuple[str, ...]) -> None:
        self.systems = systems
        self.state, self.pay = state, pay

    def __call__(self, call: Call) -> Reply | None:
        if not call.path.startswith("/_/"):
            return None
        name = call.path.removeprefix("/_/")
        with self.state.lock:
            if call.method == "GET":
                return self._show(name, call)
            if call.method == "DELETE" and not name:
                self.state.forget()
                return Reply({"ok": True})
            return self._set(name, call.json)

    def _show(self, name: str, call: Call) -> Reply:
        shown: dict[str, Any] = {
            "": {"plays": list(self.systems), **_INDEX},
            "messages": {"messages": self._messages(call)},
            "sms": {"sms": _picked(self.state.sms, call, "phone", ("phone", "content", "received_at"))},
            "transfers": {"transfers": [_transfer(bill) for bill in self.state.bills.values()]},
            "launch-results": {
                "results": _picked(self.state.launch_results, call, "", ("launchId", "groupId", "state"))
            },
        }
        return Reply(shown[name]) if name in shown else Reply({"error": "see /_/"}, 404)

    def _messages(self, call: Call) -> list[Record]:
        wanted = {k: v for k, v in call.query.items() if k in ("robot_id", "group_id", "user_id")}
        return [
            {name: message.get(name) for name in _MESSAGE}
            for message in self.state.messages.values()
            if all(message.get(name) == value for name, value in wanted.items())
        ]

    def _set(self, name: str, body: Any) -> Reply:
        if name == "faults":
            rate = float(body.get("rate", 1.0))
            if body.get("system") not in self.systems or body.get("mode") not in MODES or not 0 <= rate <= 1:
                return Reply({"error": f"system: one of {self.systems}; mode: one of {MODES}; rate: 0 to 1"}, 400)
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
            return Reply({"error": "see /_/"}, 404)
        return Reply({"ok": True})


def _picked(facts: list[Record], call: Call, key: str, names: tuple[str, ...]) -> list[Record]:
    wanted = call.query.get(key) if key else None
    return [{name: fact[name] for name in names} for fact in facts if not wanted or fact[key] == wanted]


def _transfer(bill: Record) -> Record:
    return {name: bill[name] for name in ("out_bill_no", "openid", "amount", "state", "requests")}
