"""The users, groups and money at the beginning of a soak, and the calls of outside systems."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import requests

from config.models import Scope
from tests.clients.phone import Phone
from tests.clients.scenario import Scenario, day
from tests.soak.accepted import Accepted
from tests.soak.calls import CallLog, recorded_session
from tests.soak.faulty_product import FaultyProduct
from tests.support.product import wait_for

KEYWORD, REPLY = "价格", "看公告"
GROUPS_EACH = 2
ROBOTS = 5
READS = "800"  # yuan that a group's articles earned yesterday
REPEAT_SECONDS = 0.5  # before an outside system repeats a failed call
TIMEOUT_SECONDS = 60.0
PROBE = "probe"  # the user of the probes, whom the traffic does not use
OK = 1200


def group_of(name: str, number: int) -> str:
    return f"soak-{name}-{number}"


class SoakScenario(Scenario):
    """A scenario with recorded calls, whose outside systems repeat failed calls like real ones."""

    def __init__(self, processes: FaultyProduct, log: CallLog, accepted: Accepted, key: str) -> None:
        super().__init__(processes, key)
        self.processes, self.log, self.accepted = processes, log, accepted

    # Calls of outside systems

    def http(self, role: str) -> requests.Session:
        return recorded_session(self.log, role)

    def call(self, role: str, method: str, path: str, body: Any = None) -> Any:
        """Call the API as an outside system. Returns the parsed response; raises without one."""
        headers = {"X-Api-Key": self.key}
        return (
            self.http(role)
            .request(method, self.processes.url + path, json=body, headers=headers, timeout=30)
            .json()
        )

    def system(self, method: str, path: str, body: Any = None) -> Any:
        return self.call("setup", method, path, body)

    def call_until_accepted(self, role: str, method: str, path: str, body: Any) -> Any:
        """Repeat a call until it succeeds."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                answer = self.call(role, method, path, body)
            except (requests.RequestException, ValueError):
                answer = {}
            if answer.get("code") == OK:
                return answer
            if answer.get("code", 1503) not in (1503, 1429) or time.monotonic() > deadline:
                raise AssertionError(f"{method} {path}: {answer}")
            time.sleep(REPEAT_SECONDS)

    def gateway(self, *events: tuple[str, Any], role: str = "gateway") -> None:
        batch = [
            {"event_id": f"soak-{next(self.numbers)}", "command": command, "body": body} for command, body in events
        ]
        answer = self.call_until_accepted(role, "POST", "/gateway/events", batch if len(batch) > 1 else batch[0])
        assert answer["data"]["refused"] == [], answer
        self.accepted.note(lambda accepted: accepted.events.update(event["event_id"] for event in batch))

    def group_message(self, group: str, content: str, **fields: Any) -> tuple[str, Any]:
        """Return the event of a message in a group."""
        text = {"group_id": group, "type": 3, "content": content, "is_robot": False, "all": False, "at_users": []}
        number = {
            "message_no": f"m-{next(self.numbers)}",
            "send_time": f"{datetime.now(ZoneInfo('Asia/Shanghai')):%F %T}",
        }
        return "group_message", {**text, **number, **fields}

    def keyword_message(self, group: str) -> tuple[str, str, Any]:
        """Return a new member's code, and the event of the member's message with the keyword."""
        speaker = f"wx-asks-{next(self.numbers)}"
        return speaker, *self.group_message(group, f"{KEYWORD}是多少", user_id=speaker)

    # The beginning of a soak

    def prepare(self, names: list[str]) -> None:
        """Create the users with phones, groups with stars and a keyword, and yesterday's income."""
        self.joins(PROBE)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda name: self.joins(name, inviter=self.people[PROBE]), names))
            for name in [PROBE, *names]:
                self._record(name)
            for number, name in enumerate([PROBE, *names]):
                for group in range(GROUPS_EACH):
                    robot = f"sandbox-robot-{(number * GROUPS_EACH + group) % ROBOTS + 1}"
                    self.brings(name, group_of(name, group), robot)
            codes = [group_of(name, number) for name in [PROBE, *names] for number in range(GROUPS_EACH)]
            wait_for(lambda: all(self._has_groups(phone) for phone in self.people.values()), 60)
            stars = {"command": "update_group_star", "data": [{"groupId": c, "state": 1, "star": 3} for c in codes]}
            self.call_until_accepted("setup", "POST", "/groups/star", stars)
            reads = {"settle_date": day(1), "data": dict.fromkeys(codes, READS)}
            self.call_until_accepted("setup", "POST", "/settlement", reads)
            list(threads.map(self._equip, enumerate(self.people.values())))

    def _record(self, name: str) -> None:
        """Record the calls of the phone from now on as calls of users."""
        phone = self.people[name]
        session = self.http("probe" if name == PROBE else "user")
        session.cookies, session.headers["User-Agent"] = phone.http.cookies, phone.http.headers["User-Agent"]
        phone.http = session

    def _has_groups(self, phone: Phone) -> bool:
        return bool(phone.call("GET", "/groups?status=0")["page_info"]["total_records"] == GROUPS_EACH)

    def _equip(self, numbered: tuple[int, Phone]) -> None:
        number, phone = numbered
        mobile = f"137{number:08}"
        groups = [group_of(phone.name, one) for one in range(GROUPS_EACH)]
        keyword = {"keywords": [KEYWORD], "group_codes": groups, "reply_content": REPLY}
        expect(phone.call("POST", "/keywords", keyword))
        switches = [{"code": group, "rcv_task_flag": 1} for group in groups]
        expect(phone.call("PUT", "/launch/switch", switches))
        expect(phone.call("GET", f"/sms/code/delivery?phone={mobile}"))
        sent = wait_for(lambda: self.processes.sandbox("sms", phone=mobile)["sms"])[-1]["content"]
        expect(phone.call("PUT", "/user/phone", {"phone": mobile, "code": re.findall(r"\d{6}", sent)[0]}))


def expect(answer: Any, *codes: int) -> Any:
    """Return the response. Raises AssertionError unless its code is one of these, by default success."""
    if answer["code"] not in (codes or (OK,)):
        raise AssertionError(f"answered {answer}")
    return answer


def key_of(processes: FaultyProduct) -> str:
    """Create a key with every scope. Returns the key."""
    scopes = [f"--scope={scope.value}" for scope in Scope]
    return processes.run("create_api_key", "soak", *scopes).split()[-1]
