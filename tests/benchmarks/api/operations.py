"""The operations that are compared: how they are called, and how the bare servers answer them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import orjson

from . import statements

PAGE_SIZE = 20
INCOME_TYPES = range(5)
Rows = Sequence[Sequence[Any]]
Answer = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Operation:
    """An operation: its call, the statements that a bare server runs for it, and the form of its answer.

    `goal` names the bars of the comparison.
    """

    call: str
    goal: str
    statements: tuple[str, ...]
    answer: Answer
    query: str = ""
    body: str = ""
    note: str = ""
    expected: str = '"code":1200'

    @property
    def title(self) -> str:
        return f"{self.call}{self.note}"

    @property
    def method(self) -> str:
        return self.call.split()[0]

    @property
    def path(self) -> str:
        return self.call.split()[1]

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


def envelope(
    data: Any, page_info: dict[str, int] | None = None, code: int = 1200, text: str = ""
) -> dict[str, Any]:
    return {"code": code, "description": text, "data": data, "page_info": page_info or {}}


def to_json(answer: dict[str, Any]) -> bytes:
    return orjson.dumps(answer)


def _objects(columns: str) -> Answer:
    names = columns.split()
    return lambda rows: envelope([dict(zip(names, row, strict=True)) for row in rows])


def _object(columns: str) -> Answer:
    names = columns.split()
    return lambda rows: envelope(dict(zip(names, rows[0], strict=True)))


def _page(columns: str) -> Answer:
    names = columns.split()

    def answer(count: Rows, rows: Rows) -> dict[str, Any]:
        total = count[0][0]
        info = {
            "current_page": 0,
            "page_size": PAGE_SIZE,
            "total_page": -(-total // PAGE_SIZE),
            "total_records": total,
        }
        return envelope([dict(zip(names, row, strict=True)) for row in rows], info)

    return answer


def _summary(rows: Rows) -> dict[str, Any]:
    amount, balance, yesterday = rows[0]
    return envelope({"summary": {"amount": amount, "balance": balance, "yesterday_balance": yesterday}})


_SHANGHAI = timezone(timedelta(hours=8))


def _income_days(rows: Rows) -> dict[str, Any]:
    income = {(day, kind): amount for day, kind, amount in rows}
    today = datetime.now(_SHANGHAI).date()
    days = [(today - timedelta(days=ago)).isoformat() for ago in range(15)]
    return envelope(
        [_income_day(day, [income.get((day, kind), Decimal(0)) for kind in INCOME_TYPES]) for day in days]
    )


def _income_day(day: str, amounts: list[Decimal]) -> dict[str, Any]:
    detail = [{"balance": f"{amount:.2f}", "slip_type": kind} for kind, amount in enumerate(amounts)]
    return {"day": day, "balance_detail": f"{sum(amounts):.2f}", "detail": detail}


def _refusal(rows: Rows) -> dict[str, Any]:
    """Return the first refusal that applies. The comparison has only users whose balance is too small."""
    is_allowed, has_phone, has_identity, has_balance, has_asked, is_below_limit = rows[0]
    if not is_allowed:
        return envelope(None, code=3004, text="账号已被封，不能提现，请联系客服")
    if not has_phone:
        return envelope(None, code=2001, text="请先绑定手机号，再提现")
    if not has_identity and not is_below_limit:
        return envelope(None, code=2002, text="本月提现超过 800 元，请先补全身份证信息")
    if not has_balance:
        return envelope(None, code=3002, text="余额不足，请选择更小的金额")
    if has_asked:
        return envelope(None, code=3003, text="今天已经申请过提现，请明天再来")
    raise NotImplementedError


def _stored(rows: Rows) -> dict[str, Any]:
    return envelope({"stored": rows[0][0], "refused": [], "warnings": []})


# The load generator writes the number of the request, and the benchmark that of the message, into each event.
NUMBER = "@NUMBER@@@@@"
_TEXT = "大家好，今天晚上八点直播，欢迎来看看新到的水果，价格也很实惠，有需要的可以接龙哦"


def _event(index: int) -> dict[str, Any]:
    content = {"type": 3, "content": _TEXT, "title": "", "desc": "", "url": "", "voice_time": 0}
    body = {
        "group_id": f"g{index + 1}",
        "user_id": f"m{index % 50}",
        "all": False,
        "at_users": [],
        "is_robot": False,
    }
    body |= {"message_no": f"{NUMBER}-{index}", "send_time": "2026-11-24 12:00:00", **content}
    return {"event_id": f"{NUMBER}-{index}", "command": "group_message", "body": body}


def _events(count: int) -> str:
    events = [_event(index) for index in range(count)]
    return orjson.dumps(events[0] if count == 1 else events).decode()


_GROUP = "code name settle_count quality_level robot_name launch_switch create_date income_status group_income"
OPERATIONS = [
    Operation(
        "GET /groups",
        "list",
        (statements.GROUPS_COUNT, statements.GROUPS),
        _page(f"{_GROUP} text_income old_group"),
        query="status=1",
    ),
    Operation(
        "GET /keywords",
        "list",
        (statements.KEYWORDS,),
        _objects("batch_id keywords bind_group_counts reply_content trigger_times group_codes"),
    ),
    Operation(
        "GET /alt_msg",
        "list",
        (statements.MENTIONS_COUNT, statements.MENTIONS),
        _page("msg_id group_name msg_content group_id group_code status"),
    ),
    Operation(
        "GET /tasks/messages",
        "list",
        (statements.MASS_MESSAGES_COUNT, statements.MASS_MESSAGES),
        _page("id send_date group_counts status"),
        query="direction=up",
    ),
    Operation(
        "GET /launch/history",
        "list",
        (statements.LAUNCHES_COUNT, statements.LAUNCHES),
        _page("task_id send_date group_count send_flag"),
    ),
    Operation(
        "GET /user/apprentice",
        "list",
        (statements.APPRENTICES_COUNT, statements.APPRENTICES),
        _page("is_import is_apprentice create_date name user_id is_remind"),
        query="leave=1",
    ),
    Operation("GET /profit", "money", (statements.PROFIT,), _summary),
    Operation("GET /profit/slip", "money", (statements.INCOME_DAYS,), _income_days),
    Operation(
        "GET /withdraw",
        "money",
        (statements.WALLET,),
        _object("is_withdrawed id user_id balance_amount withdrawing_amount"),
    ),
    Operation("GET /app/status", "kept", (statements.STATUS,), _object("status upGradeEndTime")),
    Operation("GET /app/marquee", "kept", (statements.MARQUEE,), _object("status content")),
    Operation(
        "PUT /alt/switch",
        "write",
        (statements.SET_SWITCH,),
        lambda rows: envelope(rows[0][0]),
        body='{"alt_switch":1}',
    ),
    Operation(
        "POST /withdraw",
        "refusal",
        (statements.MAY_WITHDRAW,),
        _refusal,
        body='{"balance":"500"}',
        note=", refused",
        expected='"code":3002',
    ),
    *(
        Operation(
            "POST /gateway/events",
            "events",
            (statements.STORE_EVENTS,),
            _stored,
            body=_events(count),
            note=f", {count} {'message' if count == 1 else 'messages'}",
            expected=f'"stored":{count},',
        )
        for count in (1, 100)
    ),
]
BY_CALL = {(operation.method, operation.path): operation for operation in OPERATIONS}


def parameters(
    operation: Operation, user: str, issued_at: int, key_hash: str, query: str, body: bytes
) -> dict[str, Any]:
    """Return the parameters of an operation's statements by name, read from a checked request."""
    params: dict[str, Any] = {"user": user, "issued_at": datetime.fromtimestamp(issued_at, UTC)}
    if operation.goal == "list":
        page = int(dict(parse_qsl(query)).get("current_page", 0))
        params |= {"limit": PAGE_SIZE, "offset": page * PAGE_SIZE}
    elif operation.goal == "write":
        params["is_on"] = bool(orjson.loads(body)["alt_switch"])
    elif operation.goal == "refusal":
        params["amount"] = Decimal(orjson.loads(body)["balance"])
    elif operation.goal == "events":
        orjson.loads(body)  # raises for what is no JSON
        text = body.decode()
        params |= {"events": text if text.startswith("[") else f"[{text}]", "key_hash": key_hash}
    return params


def numbered(statement: str) -> tuple[str, list[str]]:
    """Return a statement with $1, $2 … for its parameters, and their names in this order."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    return re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", statement), names
