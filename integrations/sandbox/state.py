"""What the sandbox remembers: kept in memory, and in a journal that a restart reads again."""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
Record = dict[str, Any]


def _private(path: str, flags: int) -> int:
    """Open a file that only we can read: it holds what people said."""
    return os.open(path, flags, 0o600)


def now() -> str:
    """The wall clock in the wire's format."""
    return datetime.now(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


@dataclass
class State:
    """Every change is a fact, appended to the journal and applied; reading the journal gives the state back."""

    journal: Path
    lock: threading.RLock = field(default_factory=threading.RLock)
    messages: dict[str, Record] = field(default_factory=dict)
    recalled: list[str] = field(default_factory=list)
    sms: list[Record] = field(default_factory=list)
    bills: dict[str, Record] = field(default_factory=dict)
    launch_results: list[Record] = field(default_factory=list)
    switches: dict[str, int] = field(default_factory=dict)
    bound: dict[str, Record] = field(default_factory=dict)
    nicknames: dict[str, str] = field(default_factory=dict)
    forwarded: list[Record] = field(default_factory=list)
    faults: dict[str, Record] = field(default_factory=dict)
    next_bill: Record = field(default_factory=dict)
    refusal: Record = field(
        default_factory=dict
    )  # the next transfer (or `of` "cancel", "fund_flow") is refused so, once
    refusals: int = 0

    def __post_init__(self) -> None:
        if self.journal.exists():
            for line in self.journal.read_text().splitlines():
                try:
                    fact = json.loads(line)
                except ValueError:  # the last line of a process that was killed
                    continue
                _APPLY[fact["kind"]](self, fact)

    def note(self, kind: str, **fact: Any) -> None:
        """Apply a fact and keep it. Call with `lock` held."""
        fact["kind"] = kind
        if kind == "bill":
            fact["noted_at"] = now()
        _APPLY[kind](self, fact)
        with open(self.journal, "a", opener=_private) as file:
            file.write(json.dumps(fact, ensure_ascii=False) + "\n")

    def forget(self) -> None:
        """Everything, faults included."""
        with self.lock:
            self.journal.write_text("")
            for kept in (self.messages, self.bills, self.switches, self.bound, self.nicknames, self.faults):
                kept.clear()
            for listed in (self.recalled, self.sms, self.launch_results, self.forwarded):
                listed.clear()
            self.next_bill, self.refusal, self.refusals = {}, {}, 0


def _message(state: State, fact: Record) -> None:
    known = state.messages.get(fact["message_no"])
    if known:
        known["requests"] += 1
    else:
        state.messages[fact["message_no"]] = {**{k: v for k, v in fact.items() if k != "kind"}, "requests": 1}


def _bill(state: State, fact: Record) -> None:
    known = state.bills.setdefault(fact["out_bill_no"], {"requests": 0})
    known.update({k: v for k, v in fact.items() if k not in ("kind", "asked")})
    known["requests"] += fact.get("asked", 0)
    if known.get("state") == "SUCCESS":
        known.setdefault("paid_at", fact.get("noted_at", now()))


def _bound(state: State, fact: Record) -> None:
    state.bound[fact["group_id"]] = fact


def _unbound(state: State, fact: Record) -> None:
    state.bound.pop(fact["group_id"], None)


def _sms(state: State, fact: Record) -> None:
    state.sms.append(fact)


def _launch_result(state: State, fact: Record) -> None:
    state.launch_results.append(fact)


def _switch(state: State, fact: Record) -> None:
    state.switches[fact["groupId"]] = fact["on"]


def _nickname(state: State, fact: Record) -> None:
    state.nicknames[fact["group_id"]] = fact["nickname"]


def _recalled(state: State, fact: Record) -> None:
    state.recalled.append(fact["message_no"])


def _forwarded(state: State, fact: Record) -> None:
    state.forwarded.append(fact)


def _fault(state: State, fact: Record) -> None:
    state.faults[fact["system"]] = fact


def _next_bill(state: State, fact: Record) -> None:
    state.next_bill = fact


def _refusal(state: State, fact: Record) -> None:
    state.refusal = fact


def _refused(state: State, fact: Record) -> None:
    state.refusal = {}
    state.refusals += 1


_APPLY: dict[str, Callable[[State, Record], None]] = {
    "message": _message,
    "bill": _bill,
    "bound": _bound,
    "unbound": _unbound,
    "sms": _sms,
    "launch_result": _launch_result,
    "switch": _switch,
    "nickname": _nickname,
    "recalled": _recalled,
    "forwarded": _forwarded,
    "fault": _fault,
    "next_bill": _next_bill,
    "refusal": _refusal,
    "refused": _refused,
}
