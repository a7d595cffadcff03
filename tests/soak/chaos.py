"""The faults of a soak: their selection, order and injection, and the recovery of the product."""

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import close_old_connections, connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from tests.soak.machine import Machine
from tests.soak.scenario import KEYWORD, PROBE, SoakScenario, expect, group_of
from tests.soak.traffic import MISREAD, NO_ANSWER

RECOVERY_SECONDS = 10.0
TIMEOUT_SECONDS = 60.0
SLOT_SECONDS = 3.0  # the shortest time from fault to fault
SERVER_AWAY_SECONDS = 2.0
OUTSIDE_SECONDS = 4.0
KILLS = ("kill a web worker", "kill gunicorn's master", "kill the worker", "kill the sender", "kill beat")
SERVERS = ("restart PostgreSQL", "stop PostgreSQL at once", "restart Redis")
OUTSIDE = (
    "pay: timeout",
    "gateway: error",
    "sms: timeout",
    "launch: garbage",
    "wechat: error",
    "gateway: timeout",
    "aliyun: error",
    "pay: garbage",
    "gateway: drop_reply",
    "launch: timeout",
    "everything outside refuses",
)
CHILDREN = {
    "kill gunicorn's master": "web",
    "kill the worker": "worker",
    "kill the sender": "sender",
    "kill beat": "beat",
}


@dataclass(frozen=True)
class Fault:
    """An injected fault. Moments are monotonic seconds; the recovery begins at `over`, the end of its cause."""

    name: str
    began: float
    over: float
    recovered: float
    others: float = 0.0  # the CPU share of other programs during the recovery

    @property
    def recovery_seconds(self) -> float:
        return self.recovered - self.over

    @property
    def own_seconds(self) -> float:
        """Return the recovery time without the CPU share of other programs."""
        return self.recovery_seconds * (1 - self.others)


def plan(seconds: float, seed: int) -> list[str]:
    """Return the faults of a soak of this length, selected in the order: kills, servers, outside systems, kills again.

    Outside systems fail in the first two thirds, WeChat Pay first, because failed calls are retried after up to two
    minutes and payouts after five.
    """
    count = max(1, int(seconds / max(SLOT_SECONDS, min(11.0, seconds / 27))))
    chosen = [*KILLS, *SERVERS, *OUTSIDE, *KILLS, *SERVERS][:count]
    order = random.Random(seed)
    late = [name for name in chosen if name not in OUTSIDE]
    order.shuffle(late)
    pay = [name for name in chosen if name.startswith("pay")]
    outside = [name for name in chosen if name in OUTSIDE and name not in pay]
    count_early = max(0, count * 2 // 3 - len(outside) - len(pay))
    early = [*late[:count_early], *outside]
    order.shuffle(early)
    return [*pay, *early, *late[count_early:]]


class Chaos:
    """An injector that makes one fault at a time and probes until the product has recovered."""

    def __init__(self, scenario: SoakScenario) -> None:
        self.scenario, self.processes = scenario, scenario.processes
        self.faults: list[Fault] = []
        self.machine = Machine()
        self.machine.start()

    def make(self, name: str) -> Fault:
        began, at = time.monotonic(), timezone.now()
        over = self._inject(name)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not self._is_well(name, at) and time.monotonic() < deadline:
            time.sleep(0.1)
        recovered = time.monotonic()
        self.faults.append(Fault(name, began, over, recovered, self.machine.share_of_others(over, recovered)))
        return self.faults[-1]

    def _inject(self, name: str) -> float:
        """Make the fault and, unless the product repairs it, end it. Returns the beginning of the recovery."""
        if name == "kill a web worker":
            self.processes.kill_web_worker()
        elif name in CHILDREN:
            self.processes.kill(CHILDREN[name])
        elif name in SERVERS:
            return self._restart(name)
        else:
            self._fail_outside(name)
        return time.monotonic()

    def _restart(self, name: str) -> float:
        server = self.processes.redis if name == "restart Redis" else self.processes.postgres
        usual = server.stop_signal
        if name == "stop PostgreSQL at once":
            server.stop_signal = signal.SIGQUIT
        server.stop()
        server.stop_signal = usual
        time.sleep(SERVER_AWAY_SECONDS)
        server.start_again()
        return time.monotonic()

    def _fail_outside(self, name: str) -> None:
        system, _, mode = name.partition(": ")
        if not mode:
            self.processes.stop_sandbox()
            time.sleep(OUTSIDE_SECONDS)
            self.processes.start_sandbox()
            return
        self.processes.set_fault(system, mode)
        time.sleep(OUTSIDE_SECONDS)
        self.processes.set_fault(system, "ok")

    def _is_well(self, name: str, since: datetime) -> bool:
        """Return whether calls of each kind succeed and a new event leads to a message at the gateway."""
        try:
            checks: Sequence[Callable[[], object]] = (
                lambda: expect(self.scenario.call("probe", "GET", "/app/status")),
                lambda: expect(self.scenario.people[PROBE].call("GET", "/groups?status=1")),
                lambda: expect(self.scenario.call("probe", "POST", "/admin/withdraw", {})),
                lambda: self._operators_page(),
                lambda: self._system(name),
                lambda: self._is_answered(),
            )
            for check in checks:
                check()
            return self.processes.is_whole() and (name != "kill beat" or self._beat_beats(since))
        except (*NO_ANSWER, *MISREAD):
            return False

    def _operators_page(self) -> None:
        page = self.scenario.http("probe").get(f"{self.processes.url}/admin/login/", timeout=10)
        assert page.status_code == 200, page.status_code

    def _system(self, name: str) -> None:
        """Call the outside system that failed."""
        phone = self.scenario.people[PROBE]
        match name.partition(":")[0]:
            case "sms":
                expect(phone.call("GET", "/sms/code/delivery?phone=13900000000"))
            case "wechat":
                expect(phone.call("GET", "/wechat/user_info?app_id=sandbox&code=probe"))
            case "launch":
                expect(phone.call("PUT", "/launch/switch", [{"code": group_of(PROBE, 0), "rcv_task_flag": 1}]))

    def _is_answered(self) -> None:
        """Send the keyword in a group and wait for the reply at the gateway."""
        group = group_of(PROBE, 0)
        speaker, *event = self.scenario.keyword_message(group)
        self.scenario.gateway((event[0], event[1]), role="probe")
        self.scenario.accepted.note(lambda kept: kept.speakers.add(speaker))
        deadline = time.monotonic() + RECOVERY_SECONDS
        while time.monotonic() < deadline:
            sent = self.processes.sandbox("messages", group_id=group)["messages"]
            if any(message["users"] == [speaker] for message in sent):
                return
            time.sleep(0.1)
        raise AssertionError(f"nobody answers to {KEYWORD}")

    def _beat_beats(self, since: datetime) -> bool:
        connection.close()
        runs = PeriodicTask.objects.filter(name="inbox", last_run_at__gt=since).exists()
        close_old_connections()
        return runs
