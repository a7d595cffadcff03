"""The state of the sandbox: kept in memory, and in a journal from which a restart restores it."""

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
    """Open a file that only its owner can read, because it holds messages of people."""
    return os.open(path, flags, 0o600)


def now() -> str:
    """Return the current time in the wire's format."""
    return datetime.now(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


@dataclass
class State:
    """The state, with a journal of all changes. Reading the journal restores the state."""

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
    # The error with which the next transfer is refused once, or the next call named by `of`: "cancel", "fund_flow".
    refusal: Record = field(default_factory=dict)
    refusals: int = 0

    def __post_init__(self) -> None:
        if self.journal.exists():
            for line in self.journal.read_text().splitlines():
                try:
                    record = json.loads(line)
                except ValueError:  # a killed process left its last line incomplete
                    continue
                _APPLY[record["kind"]](self, record)

    def note(self, kind: str, **record: Any) -> None:
        """Apply a change and append it to the journal. The caller holds `lock`."""
        record["kind"] = kind
        if kind == "bill":
            record["noted_at"] = now()
        _APPLY[kind](self, record)
        with open(self.journal, "a", opener=_private) as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def forget(self) -> None:
        """Delete the whole state, faults included."""
        with self.lock:
            self.journal.write_text("")
            for kept in (self.messages, self.bills, self.switches, self.bound, self.nicknames, self.faults):
                kept.clear()
            for listed in (self.recalled, self.sms, self.launch_results, self.forwarded):
                listed.clear()
            self.next_bill, self.refusal, self.refusals = {}, {}, 0


def _message(state: State, record: Record) -> None:
    known = state.messages.get(record["message_no"])
    if known:
        known["requests"] += 1
    else:
        state.messages[record["message_no"]] = {**{k: v for k, v in record.items() if k != "kind"}, "requests": 1}


def _bill(state: State, record: Record) -> None:
    known = state.bills.setdefault(record["out_bill_no"], {"requests": 0})
    known.update({k: v for k, v in record.items() if k not in ("kind", "asked")})
    known["requests"] += record.get("asked", 0)
    if known.get("state") == "SUCCESS":
        known.setdefault("paid_at", record.get("noted_at", now()))


def _bound(state: State, record: Record) -> None:
    state.bound[record["group_id"]] = record


def _unbound(state: State, record: Record) -> None:
    state.bound.pop(record["group_id"], None)


def _sms(state: State, record: Record) -> None:
    state.sms.append(record)


def _launch_result(state: State, record: Record) -> None:
    state.launch_results.append(record)


def _switch(state: State, record: Record) -> None:
    state.switches[record["groupId"]] = record["on"]


def _nickname(state: State, record: Record) -> None:
    state.nicknames[record["group_id"]] = record["nickname"]


def _recalled(state: State, record: Record) -> None:
    state.recalled.append(record["message_no"])


def _forwarded(state: State, record: Record) -> None:
    state.forwarded.append(record)


def _fault(state: State, record: Record) -> None:
    state.faults[record["system"]] = record


def _next_bill(state: State, record: Record) -> None:
    state.next_bill = record


def _refusal(state: State, record: Record) -> None:
    state.refusal = record


def _refused(state: State, record: Record) -> None:
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
