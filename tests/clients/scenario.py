"""Users, robots and groups in a running product, created through its public entry points."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import requests

from config.models import Scope
from tests.clients.phone import Phone
from tests.support.product import Product, wait_for

SECRET_KEY = "clients-" + "s" * 50


def day(back: int = 0) -> str:
    """Return the day in Shanghai this many days ago."""
    return f"{datetime.now(ZoneInfo('Asia/Shanghai')) - timedelta(days=back):%Y-%m-%d}"


LONG_AGO = f"{day(3)} 12:00:00"
GROUP, NEW_GROUP, SPEAKER = "clients-group", "clients-new-group", "wx-speaker"


@dataclass
class Scenario:
    """A product, a service key, and the users' phones by name."""

    product: Product
    key: str
    people: dict[str, Phone] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def system(self, method: str, path: str, body: Any = None) -> Any:
        """Call the API as an outside system."""
        headers = {"X-Api-Key": self.key}
        response = requests.request(method, self.product.url + path, json=body, headers=headers, timeout=20)
        return response.json()

    def gateway(self, *events: tuple[str, Any]) -> None:
        batch = [
            {"event_id": f"clients-{next(self.numbers)}", "command": command, "body": body}
            for command, body in events
        ]
        assert self.system("POST", "/gateway/events", batch)["code"] == 1200

    def joins(self, name: str, inviter: Phone | None = None) -> Phone:
        """Add a user, who opens an invitation, adds the robot and completes the profile with the robot's link."""
        phone = self.people[name] = Phone(self.product, name)
        shared = inviter.call("GET", "/user")["data"] if inviter else None
        assert phone.open("/adopt") == "/adopt"
        scan = {
            "open_id": phone.cookie("open_id"),
            "union_id": phone.cookie("union_id"),
            "sharing_user_id": shared,
            "channel": "",
        }
        robot = phone.call("POST", "/robot/distribution", scan)["data"]
        self.robot_of[name] = robot["wechat_no"].replace("sandbox_wx_", "sandbox-robot-")
        added = {"robot_id": self.robot_of[name], "user_id": f"wx-{name}", "nickname": name, "avatar": ""}
        self.gateway(("robot_added", {**added, "add_time": LONG_AGO}))
        page, parameters = phone.follow(wait_for(phone.messages)[0]["content"])
        assert phone.open(page, **parameters) == "/home"
        return phone

    robot_of: dict[str, str] = field(default_factory=dict)

    def brings(self, name: str, group: str, robot: str = "") -> None:
        """Bind a group of the user to this robot or the user's own, with the user as owner in WeChat and one member."""
        robot = robot or self.robot_of[name]
        bound = {"robot_id": robot, "group_id": group, "user_id": f"wx-{name}", "name": f"{name}的群{group[-5:]}"}
        info = {"id": group, "name": bound["name"], "admin_user_id": f"wx-{name}", "mem_count": 3}
        robots = [{"robot_id": robot, "robot_in_group": True}]
        members = [
            {"group_id": group, "user_id": code, "nickname": code[3:], "avatar": "", "is_admin": code != SPEAKER}
            for code in (f"wx-{name}", SPEAKER)
        ]
        self.gateway(
            ("wait_for_bind", bound),
            ("bind_group_success", {**bound, "bind_time": LONG_AGO}),
            ("group_info", {**info, "robots": robots}),
            ("group_members", members),
        )

    def speaks_in(self, group: str, content: str, **fields: Any) -> None:
        message = {
            "group_id": group,
            "user_id": SPEAKER,
            "type": 3,
            "content": content,
            "is_robot": False,
            "all": False,
        }
        number = {"message_no": f"m-{content}", "send_time": f"{datetime.now(ZoneInfo('Asia/Shanghai')):%F %T}"}
        self.gateway(("group_message", {**message, **number, "at_users": [], **fields}))


def populated_scenario(product: Product) -> Scenario:
    """Return the scenario of a newly started product.

    Qiang invited Alice, and Alice invited Bao; Alice has a rated group and one that waits for its star.
    """
    scopes = [f"--scope={scope.value}" for scope in Scope]
    scenario = Scenario(product, product.run("create_api_key", "clients", *scopes).split()[-1])
    qiang = scenario.joins("qiang")
    alice = scenario.joins("alice", inviter=qiang)
    scenario.joins("bao", inviter=alice)
    for group in (GROUP, NEW_GROUP):
        scenario.brings("alice", group)
    wait_for(lambda: alice.call("GET", "/groups?status=0")["page_info"]["total_records"] == 2)
    stars = {"command": "update_group_star", "data": [{"groupId": GROUP, "state": 1, "star": 3}]}
    assert scenario.system("POST", "/groups/star", stars)["code"] == 1200
    return scenario
