"""Every operation once: who may call it, a good call, bad ones, and one about something that is not there.

Whatever holds for all operations (envelope, refusals, methods, credentials) is asserted over this table.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from accounts.models import User
from groups.models import Group
from robots.models import Robot

NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass
class World:
    """What a call may refer to."""

    alice: User
    mallory: User
    robot: Robot
    group: Group
    theirs: Group  # mallory's
    slug: str
    facts: dict[str, Any] = field(default_factory=dict)


Call = tuple[str, Any]  # path (with query), body
Make = Callable[[World], Call]


@dataclass(frozen=True)
class Operation:
    """One row. `credential`: public, user, proof, service:<scope>, user_or_service:<scope>, signed."""

    method: str
    route: str
    credential: str
    good: Make
    bad: tuple[Make, ...] = ()
    missing: Make | None = None
    code: int = 1200  # what the good call answers
    shape: str = "envelope"  # or token, redirect

    def __str__(self) -> str:
        return f"{self.method} /{self.route}"


def say(path: str, body: Any = None) -> Make:
    return lambda _: (path, body)


_PROFILE = {
    "union_id": "union-new",
    "head_url": "",
    "nick_name": "新人",
    "appid": "sandbox",
    "open_id": "open-new",
}
_SCAN = {"open_id": "open-new", "union_id": "union-new", "sharing_user_id": "", "channel": ""}
_EVENT = {"event_id": "contract-1", "command": "robot_added", "body": {"robot_id": "x", "user_id": "y"}}


def _rating(group: str, star: Any = 3) -> dict[str, Any]:
    return {"command": "update_group_star", "data": [{"groupId": group, "state": 1, "star": star}]}


def _reads(amounts: dict[str, Any], day: str = "2018-11-01") -> dict[str, Any]:
    return {"settle_date": day, "data": amounts}


OPERATIONS = [
    Operation(
        "GET",
        "wechat/user_info",
        "public",
        say("/wechat/user_info?app_id=sandbox&code=alice"),
        (
            say("/wechat/user_info"),
            say("/wechat/user_info?app_id=sandbox"),
            say("/wechat/user_info?code=alice"),
        ),
    ),
    Operation(
        "POST",
        "auth",
        "proof",
        lambda w: ("/auth", {"union_id": w.alice.union_id}),
        (say("/auth", {}), say("/auth", {"union_id": ""}), say("/auth", {"union_id": ["x"]})),
        shape="token",
    ),
    Operation("GET", "auth/me", "user", say("/auth/me"), shape="token"),
    Operation(
        "GET",
        "sms/code/delivery",
        "user",
        say("/sms/code/delivery?phone=13800138000"),
        (
            say("/sms/code/delivery"),
            say("/sms/code/delivery?phone=12800138000"),
            say("/sms/code/delivery?phone=1380013800a"),
        ),
    ),
    Operation(
        "PUT",
        "user/phone",
        "user",
        say("/user/phone", {"phone": "13800138000", "code": "123456"}),
        (
            say("/user/phone", {}),
            say("/user/phone", {"phone": "1", "code": "123456"}),
            say("/user/phone", {"phone": "13800138000", "code": "12"}),
        ),
        code=2301,
    ),
    Operation(
        "PUT",
        "users/<str:reference>/block",
        "service:users:block",
        lambda w: (f"/users/{w.mallory.pk}/block", {}),
        (),
        say(f"/users/{NOBODY}/block", {}),
    ),
    Operation(
        "POST",
        "robot/distribution",
        "proof",
        say("/robot/distribution", _SCAN),
        (say("/robot/distribution", {}), say("/robot/distribution", _SCAN | {"union_id": ""})),
        say("/robot/distribution", _SCAN | {"sharing_user_id": NOBODY}),
    ),
    Operation(
        "GET",
        "groups",
        "user",
        say("/groups?status=1"),
        (
            say("/groups"),
            say("/groups?status=2"),
            say("/groups?status=1&page_size=0"),
            say("/groups?status=1&current_page=x"),
        ),
    ),
    Operation(
        "POST",
        "groups/star",
        "service:stars:write",
        lambda w: ("/groups/star", _rating(w.group.code)),
        (
            say("/groups/star", {}),
            say("/groups/star", _rating("nobody's group")),
            lambda w: ("/groups/star", _rating(w.group.code, 6)),
            lambda w: ("/groups/star", _rating(w.group.code, True)),
        ),
    ),
    Operation(
        "POST",
        "settlement",
        "service:settlement:write",
        lambda w: ("/settlement", _reads({w.group.code: "20.14"})),
        (
            say("/settlement", {}),
            say("/settlement", _reads({})),
            say("/settlement", _reads({"g": "-1"})),
            say("/settlement", _reads({"g": "x"})),
            say("/settlement", _reads({"g": "1"}, day="2018-13-01")),
            say("/settlement", _reads({"g": "1"}, day="2999-01-01")),
        ),
    ),
    Operation("GET", "profit", "user", say("/profit")),
    Operation("GET", "profit/slip", "user", say("/profit/slip")),
    Operation("GET", "withdraw", "user", say("/withdraw")),
    Operation(
        "POST",
        "withdraw",
        "user",
        say("/withdraw", {"balance": "20"}),
        (
            say("/withdraw", {}),
            say("/withdraw", {"balance": "x"}),
            say("/withdraw", {"balance": "21"}),
            say("/withdraw", {"balance": "NaN"}),
        ),
    ),
    Operation(
        "POST",
        "admin/withdraw",
        "service:backoffice:read",
        say("/admin/withdraw", {}),
        (
            say("/admin/withdraw", {"status": 9}),
            say("/admin/withdraw", {"withdraw_date_begin": "yesterday"}),
            say("/admin/withdraw", {"sort": {"sort_key": "phone", "value": "asc"}}),
            say("/admin/withdraw?page_size=201", {}),
        ),
    ),
    Operation("POST", "wechat/pay/notify", "signed", say("/wechat/pay/notify", {}), code=1401),
    Operation(
        "PUT",
        "user/<str:reference>",
        "proof",
        lambda w: (f"/user/{w.facts['met'].pk}", _PROFILE),
        (
            lambda w: (f"/user/{w.facts['met'].pk}", {}),
            lambda w: (f"/user/{w.facts['met'].pk}", _PROFILE | {"union_id": None}),
        ),
        say(f"/user/{NOBODY}", _PROFILE),
    ),
    Operation(
        "POST",
        "gateway/events",
        "service:gateway:events",
        say("/gateway/events", _EVENT),
        (
            say("/gateway/events", []),
            say("/gateway/events", {"event_id": "e"}),
            say("/gateway/events", [_EVENT, {}]),
        ),
    ),
    Operation(
        "POST",
        "long_to_short",
        "user_or_service:links:write",
        say("/long_to_short", {"url": "https://example.com/a?b=c"}),
        (
            say("/long_to_short", {}),
            say("/long_to_short", {"url": "ftp://example.com"}),
            say("/long_to_short", {"url": "https://e.com/" + "x" * 2048}),
        ),
    ),
    Operation(
        "GET",
        "s/<str:slug>",
        "public",
        lambda w: (f"/s/{w.slug}", None),
        (),
        say("/s/nobody"),
        shape="redirect",
    ),
]

START_BALANCE = Decimal(50)
