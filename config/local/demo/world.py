"""The users, robots, groups and events of the demo world, a week of them. Loading it twice changes nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from config.local.demo.clients import Caller, OperatorClient, wait_for
from integrations.gateway.event_body import EventBody
from integrations.gateway.events import GroupBound, RobotAdded, RobotInvited

USERS = 30
GROUPS = 42  # at most 15 new groups per robot and day, and the demo is loaded in one day
ROBOTS = 3
OWNERS = 14
DAYS = 7
INVITED_EACH = 3
NAMES = [
    "李雷",
    "韩梅",
    "王芳",
    "张伟",
    "刘洋",
    "陈静",
    "杨帆",
    "赵敏",
    "黄蓉",
    "周杰",
    "吴倩",
    "徐峰",
    "孙丽",
    "马超",
    "朱莉",
    "胡兵",
    "郭靖",
    "何洁",
    "高翔",
    "林涛",
    "罗兰",
    "郑爽",
    "梁博",
    "谢楠",
    "宋佳",
    "唐嫣",
    "许晴",
    "韩寒",
    "冯雪",
    "邓超",
]
TOPICS = ("宝妈", "美食", "读书", "跑步", "二手", "团购", "摄影", "育儿")
STARS = (5, 4, 3, 5, 2, 5, 4, 1)
REASON = "演示：资料不符"
# The final state of the first users' withdrawals; "" stays in review.
OUTCOMES = ("SUCCESS", "SUCCESS", "SUCCESS", "FAIL", "reject", "reject", "WAIT_USER_CONFIRM", "", "")
_STATUS = {"SUCCESS": 3, "FAIL": 4, "WAIT_USER_CONFIRM": 1}


@dataclass
class Person:
    """A user of the demo world."""

    number: int
    caller: Caller
    user_id: str = ""

    @property
    def code(self) -> str:
        return f"wx-demo-{self.number:02}"

    @property
    def union_id(self) -> str:
        return f"union-demo-{self.number:02}"

    @property
    def phone(self) -> str:
        return f"1390000{self.number:04}"

    @property
    def inviter(self) -> int | None:
        """Return the number of the inviter in the referral tree. Returns None for the first user."""
        return (self.number - 1) // INVITED_EACH if self.number else None


@dataclass
class World:
    """The demo world, with the entry points through which it is loaded."""

    url: str
    sandbox: Caller
    service: Caller
    operator: Callable[[], OperatorClient]
    settle: Callable[[date], None]
    today: date
    people: list[Person] = field(default_factory=list)

    def is_loaded(self) -> bool:
        """Return whether the world was completely loaded before: its last withdrawal is reviewed."""
        last = max(number for number, outcome in enumerate(OUTCOMES) if outcome)
        return self._withdrawals(last) > self._withdrawals(last, status=0)

    def _withdrawals(self, number: int, **wanted: Any) -> int:
        filters = {"phone": Person(number, self.service).phone, **wanted}
        return int(self.service.call("POST", "/admin/withdraw", filters)["page_info"]["total_records"])

    def steps(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """Yield all steps in order: (label, function)."""
        for number in range(USERS):
            yield "用户加入", partial(self._join, number)
        for start in range(0, GROUPS, 10):
            yield "拉群", partial(self._bind_groups, start, start + 10)
        yield "等待绑定", self._wait_for_groups
        yield "评星", self._rate_groups
        for back in range(DAYS - 1, 1, -1):  # yesterday is left for a manual settlement
            yield "结算", partial(self.settle, self.today - timedelta(days=back))
        for number in range(len(OUTCOMES)):
            yield "申请提现", partial(self._request_withdrawal, number)
        yield "审核打款", self._review

    def _moment(self, days_back: int, hour: int) -> datetime:
        day = self.today - timedelta(days=days_back)
        return datetime.combine(day, time(hour, 30), timezone.get_default_timezone())

    def _join(self, number: int) -> None:
        person = Person(number, Caller(self.url))
        self.people.append(person)
        person.caller.call(
            "GET", "/wechat/user_info", app_id="sandbox", code=person.union_id.removeprefix("union-")
        )
        inviter_id = "" if person.inviter is None else self.people[person.inviter].user_id
        scan = {
            "open_id": f"open-demo-{number:02}",
            "union_id": person.union_id,
            "sharing_user_id": inviter_id,
            "channel": "",
        }
        robot = person.caller.call("POST", "/robot/distribution", scan)["data"]
        added = RobotAdded(
            robot_code=robot["wechat_no"].replace("sandbox_wx_", "sandbox-robot-"),
            user_code=person.code,
            nickname=NAMES[number],
            added_at=self._moment(DAYS, 8 + number % 12),
        )
        self._send_events({f"meet-{number}": added})
        profile = {
            "union_id": person.union_id,
            "open_id": scan["open_id"],
            "nick_name": NAMES[number],
            "head_url": "",
            "appid": "sandbox",
        }
        path = f"/user/{person.code}"
        wait_for(lambda: self.service.call("PUT", path, profile, expected=(1200, 1404, 2200))["code"] != 1404, path)
        person.caller.sign_in(person.union_id)
        person.user_id = person.caller.call("GET", "/auth/me", expected=(1200,))["me"]["user_id"]

    def _send_events(self, bodies: Mapping[str, EventBody]) -> None:
        """Post these events as the gateway does. The names make their ids, so that loading twice posts the same events."""
        events = [
            {"event_id": f"demo-{name}", "command": body.command, "body": body.payload()}
            for name, body in bodies.items()
        ]
        self.service.call("POST", "/gateway/events", events)

    def _bind_groups(self, start: int, end: int) -> None:
        bodies: dict[str, EventBody] = {}
        for number in range(start, min(end, GROUPS)):
            invited = RobotInvited(
                robot_code=f"sandbox-robot-{number % ROBOTS + 1}",
                group_code=f"demo-group-{number:02}",
                user_code=f"wx-demo-{number % OWNERS:02}",
                name=f"{TOPICS[number % len(TOPICS)]}交流{number // len(TOPICS) + 1}群",
            )
            bound_at = self._moment(DAYS - number % (DAYS - 1), 9 + number % 10)
            bodies[f"wait-{number}"] = invited
            bodies[f"bound-{number}"] = GroupBound(**vars(invited), bound_at=bound_at)
        self._send_events(bodies)

    def _wait_for_groups(self) -> None:
        def bound() -> bool:
            totals: list[int] = [
                person.caller.call("GET", "/groups", status=status, page_size=1)["page_info"]["total_records"]
                for person in self.people
                for status in (0, 1)
            ]
            return sum(totals) >= GROUPS

        wait_for(bound, "the groups", 60)

    def _rate_groups(self) -> None:
        rated = [
            {"groupId": f"demo-group-{number:02}", "state": 1, "star": STARS[number % len(STARS)]}
            for number in range(GROUPS - 8)  # the last groups have no star yet
        ]
        self.service.call("POST", "/groups/star", {"command": "update_group_star", "data": rated})

    def _request_withdrawal(self, number: int) -> None:
        person = self.people[number]
        if self._withdrawals(number):
            return
        person.caller.call("GET", "/sms/code/delivery", phone=person.phone)
        messages = wait_for(lambda: self.sandbox.call("GET", "/_/sms", phone=person.phone)["sms"], "the SMS")
        first_part = messages[-1]["content"].split(",")[0]
        code = "".join(character for character in first_part if character.isdigit())
        person.caller.call("PUT", "/user/phone", {"phone": person.phone, "code": code})
        wallet = person.caller.call("GET", "/withdraw")["data"]
        amount = "20" if float(wallet["balance_amount"]) >= 20 else "1"
        person.caller.call("POST", "/withdraw", {"balance": amount})

    def _review(self) -> None:
        operator = self.operator()
        for number, outcome in enumerate(OUTCOMES):
            if outcome and self._withdrawals(number, status=0):
                self._decide(operator, number, outcome)
        self.sandbox.call("POST", "/_/pay", {"next_state": "SUCCESS"})

    def _decide(self, operator: OperatorClient, number: int, outcome: str) -> None:
        ids = operator.rows("earnings/withdrawal", q=Person(number, self.service).phone)
        if outcome == "reject":
            operator.act("earnings/withdrawal", "reject", ids, reason=REASON)
            return
        before = self._bills()
        self.sandbox.call("POST", "/_/pay", {"next_state": outcome})
        operator.act("earnings/withdrawal", "approve", ids)
        wait_for(
            lambda: self._withdrawals(number, status=_STATUS[outcome]) and self._bills() > before,
            f"{outcome} of {number}",
            60,
        )

    def _bills(self) -> int:
        return len(self.sandbox.call("GET", "/_/transfers")["transfers"])
