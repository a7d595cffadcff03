"""From a group message to the robot's reply: the processes of `make run`, with a gateway that answers at once.

Each message is of another member and contains the keyword of its group, so each has one reply. The time of a reply counts
from the moment at which its message was due to be posted, until the reply has arrived at the gateway.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import orjson
import requests
from django.db import connection
from django.utils import timezone
from environ import Env

from accounts.models import User
from config.api.keys import issue_key
from config.models import Scope
from config.platform import db
from config.platform.embedded_mode import read_services
from groups.models import Group
from keywords.models import GroupKeyword, KeywordBatch
from robots.models import Robot
from tests.benchmarks.harness import must_reach, must_take, report, run
from tests.benchmarks.poster import Posted, Poster
from tests.benchmarks.running_gateway import running_gateway
from tests.support.product import Product, wait_for

ROBOTS, GROUPS, GROUPS_OF_A_USER, SECONDS = 20, 2_000, 10, 8
RATES = ((1, 1), (50, 1), (200, 1), (500, 10))  # messages a second, and how many of them in a call
MEDIAN_AT_MOST, P99_AT_MOST = 0.040, 0.150  # seconds
SINGLES, SINGLES_AT_LEAST = 6_000, 800
FLOOD, IN_A_CALL, FLOOD_AT_LEAST = 20_000, 100, 3_500
_numbers = count(1)


@contextmanager
def running_product(gateway: str) -> Iterator[Product]:
    """Start the product with 2,000 groups of 20 robots, and connect Django to its database."""
    own_database = dict(connection.settings_dict)
    with tempfile.TemporaryDirectory(prefix="wxrobot-bench-") as folder:
        run_dir = Path(folder)
        limits = {"WEB_WORKERS": "2", "ROBOT_MESSAGES_PER_MINUTE": "0"}
        product = Product(run_dir, "--no-demo", GATEWAY_BASE_URL=gateway, **limits).with_database().start()
        try:
            wait_for(lambda: "ready after" in product.output or product.ended, 60, lambda: product.output)
            services = read_services(run_dir)
            assert services is not None, product.output
            connection.close()
            connection.settings_dict.update(Env.db_url_config(services["database_url"]))
            make_world()
            yield product
        finally:
            connection.close()
            connection.settings_dict.update(own_database)
            product.stop()


def make_world() -> None:
    """Create users with ten groups each, and a batch of one keyword for each user's groups."""
    now = timezone.now()
    users = User.objects.bulk_create(
        User(code=f"u-{n}", nickname="群主") for n in range(GROUPS // GROUPS_OF_A_USER)
    )
    robots = Robot.objects.bulk_create(Robot(code=f"robot-{n}", name="r", group_count=30) for n in range(ROBOTS))
    groups = Group.objects.bulk_create(
        Group(code=f"g-{n}", name="群", user=users[n % len(users)], robot=robots[n % ROBOTS], bound_at=now)
        for n in range(GROUPS)
    )
    batches = KeywordBatch.objects.bulk_create(
        KeywordBatch(user=user, keywords=["价格"], reply_content="看公告", created_at=now) for user in users
    )
    GroupKeyword.objects.bulk_create(
        GroupKeyword(batch=batches[n % len(users)], group=group, folded="价格") for n, group in enumerate(groups)
    )
    db.execute("ANALYZE")  # as autovacuum does within a minute


class Replies:
    """The replies to messages that are posted to a product."""

    def __init__(self, product: Product, gateway: str) -> None:
        self.gateway = gateway
        key = issue_key("benchmark", [Scope.GATEWAY_EVENTS])
        head = f"POST /gateway/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Api-Key: {key}\r\nContent-Type: application/json\r\n"
        self.poster = Poster(product.port, head)

    def post(self, messages: int, each: int, rate: float | None) -> tuple[list[Posted], dict[str, float]]:
        """Post messages in calls of `each`, at this rate or as fast as it goes, and wait for the replies.

        Returns the calls, and the moment at which the message of each member was due.
        """
        began, bodies, due_of = time.monotonic() + 0.05, [], {}
        for call in range(messages // each):
            due = began + (call * each / rate if rate else 0.0)
            members = [f"m-{next(_numbers)}" for _ in range(each)]
            due_of.update(dict.fromkeys(members, due))
            bodies.append((due, orjson.dumps(list(map(event, members)))))
        # At low rates few, so that none is idle for so long that the server closes it.
        connections = max(1, min(32, int(rate / each / 2))) if rate else 32
        posted = self.poster.post(bodies, connections=connections)
        assert {call.status for call in posted} == {200}
        return posted, due_of

    def arrivals(self, wanted: int, seconds: float = 60) -> dict[str, float]:
        """Return the moment at which the reply to each member arrived."""
        found: dict[str, float] = {}
        deadline = time.monotonic() + seconds
        while len(found) < wanted:
            assert time.monotonic() < deadline, f"{len(found)} of {wanted} replies after {seconds} s"
            time.sleep(0.2)
            found.update(requests.get(f"{self.gateway}/arrivals", timeout=10).json())
        return found


def event(member: str) -> dict[str, object]:
    number = int(member.removeprefix("m-"))
    body = {"group_id": f"g-{number % GROUPS}", "user_id": member, "type": 3, "content": "请问价格是多少？"}
    return {"event_id": f"e-{member}", "command": "group_message", "body": body | {"message_no": f"n-{member}"}}


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def at_rates(replies: Replies) -> None:
    for rate, each in RATES:
        messages = max(20, rate * SECONDS)
        posted, due_of = replies.post(messages, each, rate)
        arrivals = replies.arrivals(messages)
        took = [arrivals[member] - due for member, due in due_of.items()]
        accepted = [call.seconds for call in posted]
        report(f"{rate} messages a second, {each} in a call:")
        report(
            f"    accepted after {statistics.median(accepted) * 1000:.0f} ms (99 %: {percentile(accepted, 0.99) * 1000:.0f})"
        )
        what = f"reply at {rate} messages a second"
        must_take(f"{what}, median", statistics.median(took), at_most=MEDIAN_AT_MOST)
        must_take(f"{what}, 99 %", percentile(took, 0.99), at_most=P99_AT_MOST)


def as_fast_as_it_goes(replies: Replies) -> None:
    began = time.monotonic()
    posted, _ = replies.post(SINGLES, 1, None)
    seconds = max(call.answered for call in posted) - began
    rate = SINGLES / seconds
    must_reach(
        f"{rate:.0f} messages a second accepted, one in a call ÷ {SINGLES_AT_LEAST}",
        [rate / SINGLES_AT_LEAST],
        at_least=1,
    )
    replies.arrivals(SINGLES)


def flood(replies: Replies) -> None:
    posted, _ = replies.post(FLOOD, IN_A_CALL, None)
    arrivals = replies.arrivals(FLOOD)
    began = min(call.due for call in posted)
    rate = FLOOD / (max(arrivals.values()) - began)
    what = f"{rate:.0f} replies a second after {FLOOD:,} messages at once ÷ {FLOOD_AT_LEAST}"
    must_reach(what, [rate / FLOOD_AT_LEAST], at_least=1)


def main() -> None:
    with running_gateway(0, "record") as gateway, running_product(gateway) as product:
        replies = Replies(product, gateway)
        replies.post(200, 1, 50)  # opens the connections of each process
        replies.arrivals(200)
        at_rates(replies)
        as_fast_as_it_goes(replies)
        flood(replies)


if __name__ == "__main__":
    run(main)
