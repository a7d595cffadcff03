"""The traffic of a soak: each role is a thread that runs its scripts at intervals."""

import random
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import requests

from config.local.demo.clients import OperatorClient, Unexpected
from tests.clients.phone import Phone
from tests.soak.calls import BROKEN, REFUSED, TIMED_OUT, Call, CallLog
from tests.soak.scenario import GROUPS_EACH, SoakScenario, expect, group_of
from tests.support.processes import run_process

NO_ANSWER = (requests.RequestException, OSError)
MISREAD = (AssertionError, Unexpected, KeyError, IndexError, TypeError, ValueError)
TEXT = {"type": 3, "content": "群发", "title": "", "desc": "", "url": ""}
PICTURE = "http://pictures.example.com/1.png"
PAUSE_AFTER_TROUBLE = 0.5
BIG_BODY_BYTES = 3 * 1024 * 1024
OPERATORS_PAGES = (
    "earnings/withdrawal",
    "earnings/payout",
    "robots/outboxmessage",
    "integrations/gatewayevent",
    "groups/group",
    "accounts/user",
    "launches/launch",
)


class Role(threading.Thread):
    """A thread that runs `step` at intervals until stopped. An unreadable response outside a fault is a surprise."""

    def __init__(
        self, name: str, seconds: float, step: Callable[[], None], log: CallLog, stop: threading.Event
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.seconds, self.step, self.log, self.stop = seconds, step, log, stop

    def run(self) -> None:
        while not self.stop.wait(self.seconds * random.uniform(0.5, 1.5)):
            try:
                self.step()
            except NO_ANSWER:  # recorded by the session
                self.stop.wait(PAUSE_AFTER_TROUBLE)
            except MISREAD as error:
                self.log.add_surprise(self.name, error)
                self.stop.wait(PAUSE_AFTER_TROUBLE)


class Traffic:
    """All callers, which `start` and `end` control."""

    def __init__(self, scenario: SoakScenario, names: list[str], seconds: float, password: str, seed: int) -> None:
        self.scenario, self.names, self.password = scenario, names, password
        self.processes, self.log, self.accepted = scenario.processes, scenario.log, scenario.accepted
        self.stop, self.random = threading.Event(), random.Random(seed)
        self.locks = {name: threading.Lock() for name in names}
        self.operator: OperatorClient | None = None
        self.operator_until = 0.0
        self.to_withdraw, self.to_mass_message = list(names), [name for name in names for _ in range(2)]
        per_withdrawal = max(2.0, seconds * 0.7 / len(names))
        self.roles = [
            *(self._role("user", 0.25, self._client_screens) for _ in range(3)),
            self._role("user", 1.5, self._keywords),
            self._role("user", 1.5, self._switches),
            self._role("user", per_withdrawal, self._withdraw),
            self._role("user", per_withdrawal / 2, self._mass_message),
            self._role("gateway", 0.4, self._one_event),
            self._role("gateway", 2.0, self._batch),
            self._role("system", 2.5, self._launch),
            self._role("system", 1.0, self._keyed_operation),
            self._role("system", 6.0, self._texts),
            self._role("operator", 0.8, self._operator),
            self._role("hostile", 0.4, self._hostile),
            self._role("command", 20.0, self._command),
        ]

    def _role(self, name: str, seconds: float, step: Callable[[], None]) -> Role:
        return Role(name, seconds, step, self.log, self.stop)

    def start(self) -> None:
        for role in self.roles:
            role.start()

    def end(self) -> None:
        self.stop.set()
        for role in self.roles:
            role.join(90)
            assert not role.is_alive(), f"{role.name} does not end"

    @contextmanager
    def _phone(self, name: str = "") -> Iterator[Phone]:
        """Lock the phone of this user, or of any user: only one thread uses a phone at a time."""
        locked = name
        while not locked:
            somebody = self.random.choice(self.names)
            locked = somebody if not self.locks[somebody].locked() else ""
        with self.locks[locked]:
            yield self.scenario.people[locked]

    def _some_group(self) -> str:
        return group_of(self.random.choice(self.names), self.random.randrange(GROUPS_EACH))

    # Users

    def _client_screens(self) -> None:
        with self._phone() as phone:
            match self.random.randrange(6):
                case 0:
                    assert phone.open("/home") == "/home"
                    expect(phone.refresh())
                case 1:
                    self._reads(
                        phone,
                        "/groups?current_page=0&page_size=20&status=1",
                        "/groups/statistics",
                        "/groups/welcome",
                    )
                case 2:
                    self._reads(phone, "/profit", "/profit/slip", "/withdraw", "/received/redpacket")
                case 3:
                    self._reads(phone, "/tasks/messages?direction=up", "/launch/history", "/keywords", "/alt_msg")
                case 4:
                    self._reads(
                        phone,
                        "/user",
                        "/user/apprentice?leave=1",
                        "/user/groups/disciples",
                        "/app/marquee",
                        "/problems",
                    )
                case _:
                    group = group_of(phone.name, 0)
                    expect(
                        phone.call(
                            "POST", f"/groups/{group}/welcome", {"welcome_msg": f"欢迎 {self.random.random()}"}
                        )
                    )

    def _reads(self, phone: Phone, *paths: str) -> None:
        for path in paths:
            expect(phone.call("GET", path))

    def _keywords(self) -> None:
        with self._phone() as phone:
            text = f"词{self.random.randrange(10**9)}"
            new = {"keywords": [text], "group_codes": [group_of(phone.name, 0)], "reply_content": "好"}
            expect(phone.call("POST", "/keywords", new))
            [batch] = [one for one in expect(phone.call("GET", "/keywords"))["data"] if one["keywords"] == [text]]
            detail = expect(phone.call("GET", f"/keywords/{batch['batch_id']}"))["data"]
            expect(phone.call("PUT", "/keywords", {**detail, "reply_content": "很好"}))
            expect(phone.call("DELETE", "/keywords", {"id": batch["batch_id"]}))

    def _switches(self) -> None:
        """Change the launch switch of the last group only, because launches use the other groups."""
        with self._phone() as phone:
            change = {"code": group_of(phone.name, GROUPS_EACH - 1), "rcv_task_flag": self.random.randrange(2)}
            expect(phone.call("PUT", "/launch/switch", [change]), 1200, 1101)
            expect(phone.call("PUT", "/alt/switch", {"alt_switch": self.random.randrange(2)}))

    def _withdraw(self) -> None:
        if not self.to_withdraw:
            return
        yuan = self.random.choice([1, 20, 50])
        with self._phone(self.to_withdraw[0]) as phone:
            if not expect(phone.call("GET", "/withdraw"))["data"]["is_withdrawed"]:
                expect(phone.call("POST", "/withdraw", {"balance": yuan}))
                self.accepted.note(lambda kept: kept.withdrawals.update({f"union-{phone.name}": yuan}))
        self.to_withdraw.pop(0)

    def _mass_message(self) -> None:
        if self.to_mass_message:
            with self._phone(self.to_mass_message.pop(0)) as phone:
                self._send_to_a_group(phone)

    def _send_to_a_group(self, phone: Phone) -> None:
        """Choose 7 in the robot's menu, send a picture, follow the link in its reply, and choose group and time."""
        about = {"robot_id": self.scenario.robot_of[phone.name], "user_id": f"wx-{phone.name}"}
        before = len(phone.messages())
        self.scenario.gateway(("private_message", {**about, "type": 3, "content": "7"}))
        self._answer_to(phone, before, "10 分钟")
        self.scenario.gateway(("private_message", {**about, "type": 8, "content": PICTURE}))
        task = phone.follow(self._answer_to(phone, before, "/s/"))[1]["task_id"]
        groups = expect(phone.call("GET", "/owner/groups?current_page=0&page_size=-1"))["data"]
        send_at = datetime.now(ZoneInfo("Asia/Shanghai")) + timedelta(seconds=1)
        sent = {"message": TEXT, "group_ids": [self.random.choice(groups)["id"]], "send_date": f"{send_at:%F %T}"}
        if expect(phone.call("PUT", f"/tasks/{task}", sent), 1200, 2005)["code"] == 1200:
            self.accepted.note(lambda kept: kept.mass_messages.update({task: 1}))

    def _answer_to(self, phone: Phone, before: int, text: str) -> str:
        """Wait for the robot's reply, which comes after the lease when its sender was killed."""
        deadline = time.monotonic() + 45
        while time.monotonic() < deadline and not self.stop.is_set():
            with suppress(*NO_ANSWER):
                for message in phone.messages()[before:]:
                    if text in str(message["content"]):
                        return str(message["content"])
            time.sleep(0.3)
        raise requests.Timeout("the robot has not answered")

    # Outside systems

    def _one_event(self) -> None:
        speaker, *event = self.scenario.keyword_message(self._some_group())
        self.scenario.gateway(tuple(event))
        self.accepted.note(lambda kept: kept.speakers.add(speaker))

    def _batch(self) -> None:
        """Send ten messages in groups, four of them with keywords, and members who join and leave."""
        asked = [self.scenario.keyword_message(self._some_group()) for _ in range(4)]
        conversation = [
            self.scenario.group_message(self._some_group(), f"早 {n}", user_id="wx-speaker") for n in range(4)
        ]
        group, member = (
            self._some_group(),
            {"user_id": "wx-comes", "nickname": "来", "avatar": "", "is_admin": False},
        )
        moves = [("group_members", [{"group_id": group, **member}])]
        self.scenario.gateway(*(tuple(event) for _, *event in asked), *conversation, *moves)
        self.accepted.note(lambda kept: kept.speakers.update(speaker for speaker, *_ in asked))

    def _launch(self) -> None:
        groups = self.random.sample([group_of(name, n) for name in self.names for n in range(GROUPS_EACH)], 4)
        task = f"soak-launch-{next(self.scenario.numbers)}"
        items = [{"type": 1, "content": f"大家好 {task}", "title": "", "filePath": "", "url": ""}]
        body = {"taskId": task, "groupIds": groups, "content": {"items": items}}
        self.scenario.call_until_accepted("system", "POST", "/task/receive", body)
        self.accepted.note(lambda kept: kept.launches.update({task: len(groups)}))

    def _keyed_operation(self) -> None:
        match self.random.randrange(4):
            case 0:
                expect(self.scenario.call("system", "POST", "/admin/withdraw", {"page_size": 100}))
            case 1:
                expect(self.scenario.call("system", "POST", "/admin/problem/feedback", {"page_size": 100}))
            case 2:
                stars = [{"groupId": self._some_group(), "state": 1, "star": self.random.choice([2, 3])}]
                body = {"command": "update_group_star", "data": stars}
                expect(self.scenario.call("system", "POST", "/groups/star", body))
            case _:
                expect(self.scenario.call("system", "GET", "/app/status"))

    def _texts(self) -> None:
        phones = [f"136{next(self.scenario.numbers):08}" for _ in range(5)]
        body = {"phones": phones, "content": f"通知 {phones[0]}"}
        answer = self.scenario.call(
            "system", "POST", "/sms/delivery/batch", body
        )  # never repeated: a repetition is another batch
        if answer["code"] == 1200:
            self.accepted.note(lambda kept: kept.texts.update(phones))
        expect(answer, 1200, 1503)

    # Operators

    def _operator(self) -> None:
        try:
            self._operators_work()
        except Exception:
            self.operator = None  # signs in again
            raise

    def _operators_work(self) -> None:
        if self.operator is None or time.monotonic() > self.operator_until:
            self.operator = OperatorClient(
                self.processes.url, "admin", self.password, self.scenario.http("operator")
            )
            self.operator_until = time.monotonic() + 60
        waiting = self.operator.rows("earnings/withdrawal", status="0")
        if waiting:
            page = self.operator.act("earnings/withdrawal", "approve", waiting)
            assert "changelist" in page, "the page after approving is no list"
        page = self.operator.page(self.random.choice(OPERATORS_PAGES))
        assert "logout" in page, "the page is not the operator's"

    def _command(self) -> None:
        """Run a command. A failure is a surprise unless there was a fault."""
        text = self.random.choice(
            [
                ["check_ledger"],
                ["sync_robots"],
                ["retry_messages", "--dry-run"],
                ["settle", "--date", "yesterday", "--dry-run"],
            ]
        )
        argv, began = [sys.executable, "manage.py", *text], time.monotonic()
        done = run_process(argv, text[0], env=self.processes.env, timeout=120)
        status = f"exit {done.returncode}"
        self.log.add(Call("command", text[0], began, time.monotonic() - began, status))
        assert done.returncode == 0, done.stderr.strip()[-300:]

    # Hostile callers

    def _hostile(self) -> None:
        http, url = self.scenario.http("hostile"), self.processes.url
        match self.random.randrange(8):
            case 0:
                forged = {"Authorization": f"Bearer {self.random.randbytes(20).hex()}"}
                expect(http.get(f"{url}/groups", headers=forged, timeout=30).json(), 1401, 1503)
            case 1:
                wrong = {"X-Api-Key": self.random.randbytes(16).hex()}
                expect(http.post(f"{url}/gateway/events", json={}, headers=wrong, timeout=30).json(), 1401, 1503)
            case 2:
                with suppress(*NO_ANSWER):  # the server may close before everything has arrived
                    http.post(f"{url}/withdraw", data=b"x" * BIG_BODY_BYTES, timeout=30)
            case 3:
                broken = {"Content-Type": "application/json", "X-Api-Key": self.scenario.key}
                data = self.random.choice([b"{", b"[" * 5000, b"\xff\x00", b'{"a":1e999}', b""])
                answer = http.post(f"{url}/task/receive", data=data, headers=broken, timeout=30)
                expect(answer.json(), 1403, 1503)
            case 4:
                http.get(
                    f"{url}/{self.random.choice(['%00', '..%2f..', 's/%ff', 'admin/x', 'payouts/x/confirm'])}",
                    timeout=30,
                )
            case 5:
                http.post(f"{url}/admin/login/", data={"username": "mallory", "password": "x"}, timeout=30)
            case _:
                self._half_request()

    def _half_request(self) -> None:
        """Begin a request and close, or send an invalid request."""
        began, status = time.monotonic(), BROKEN
        begun = [
            b"POST /gateway/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{",
            b"GET /groups HTTP/1.1\r\nHo",
            b"\x16\x03\x01 what is this\r\n\r\n",
            b"GET /groups HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        ]
        try:
            with socket.create_connection(("127.0.0.1", self.processes.port), 5) as caller:
                caller.sendall(self.random.choice(begun))
                caller.settimeout(0.3)
                head = caller.recv(4096)
            found = re.match(rb"HTTP/1\.[01] (\d{3})", head)
            status = int(found[1]) if found else BROKEN
        except ConnectionRefusedError:
            status = REFUSED
        except TimeoutError:
            status = TIMED_OUT
        except OSError:
            status = BROKEN
        can_retry = isinstance(status, int) and b"retry-after" in head.lower()
        self.log.add(Call("hostile", "half a request", began, time.monotonic() - began, status, can_retry))
