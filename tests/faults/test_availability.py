"""An outside system that hangs, many due messages, a database or Redis that stops: unrelated requests are served."""

import itertools
import os
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg2
import pytest
import requests

from config.platform.embedded_mode import read_services
from tests.clients.scenario import GROUP, Scenario
from tests.support.product import pids_of, wait_for
from tests.support.signals import burst, ends

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("availability")]
SOON = 1.0
_numbers = itertools.count()


def seconds_of(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def status(scenario: Scenario) -> None:
    assert requests.get(f"{scenario.product.url}/app/status", timeout=30).status_code == 200


def withdrawal(scenario: Scenario) -> None:
    """Request a withdrawal for Alice, which is refused because she has no verified phone."""
    assert scenario.people["alice"].send("POST", "/withdraw", {"balance": 1})["code"] == 2001


def keyword_reply(scenario: Scenario) -> None:
    """Send the keyword to the group and wait for the robot's reply."""
    speaker = f"wx-speaker-{next(_numbers)}"
    scenario.speaks_in(GROUP, f"价格是多少 {speaker}", user_id=speaker)
    wait_for(lambda: [message for message in sent_in_group(scenario) if message["users"] == [speaker]], 60)


def sent_in_group(scenario: Scenario) -> list[dict[str, Any]]:
    return list(scenario.product.sandbox("messages", group_id=GROUP)["messages"])


def median_of_probes(work: Callable[[Scenario], None], scenario: Scenario, count: int = 5) -> float:
    """Half of the probes may be slow because other tests have the processor, not because a thread was lacking."""
    return sorted(seconds_of(lambda: work(scenario)) for _ in range(count))[count // 2]


CROWD = 24


def texts(scenario: Scenario, _: int) -> None:
    phones = [f"138{next(_numbers):08}" for _ in range(30)]
    scenario.system("POST", "/sms/delivery/batch", {"phones": phones, "content": "通知"})
    scenario.people["alice"].send("GET", f"/sms/code/delivery?phone=139{next(_numbers):08}")


def oauth(scenario: Scenario, _: int) -> None:
    requests.get(f"{scenario.product.url}/wechat/user_info?app_id=sandbox&code=x", timeout=60)


def nickname(scenario: Scenario, number: int) -> None:
    scenario.people["alice"].send("PUT", f"/groups/{GROUP}/robot_name", {"remark_name": f"小管家{number}"})


def switch(scenario: Scenario, number: int) -> None:
    scenario.people["alice"].send("PUT", "/launch/switch", [{"code": GROUP, "rcv_task_flag": number % 2}])


def payout(scenario: Scenario, number: int) -> None:
    """Approve a withdrawal of Qiang's in the first thread; in each, list his withdrawals."""
    qiang = scenario.people["qiang"]
    if number == 0:
        assert qiang.call("POST", "/withdraw", {"balance": 20})["code"] == 1200
        [withdrawal_id] = sql(scenario, "SELECT id::text FROM earnings_withdrawal WHERE status = 0")[0]
        review = {"withdraw_id": withdrawal_id, "status": 1}
        assert scenario.system("POST", "/withdraw/review", review)["code"] == 1200
    qiang.send("GET", "/withdraw")


def message_to_staff(scenario: Scenario, number: int) -> None:
    """Send a message of Alice's to customer service."""
    receive_private_message(scenario, f"在吗 {number}")


def receive_private_message(scenario: Scenario, content: str) -> None:
    message = {"robot_id": scenario.robot_of["alice"], "user_id": "wx-alice", "type": 3, "content": content}
    scenario.gateway(("private_message", message))


@pytest.fixture(scope="module")
def money(scenario: Scenario) -> None:
    """Credit Qiang an eighth of the article earnings of Alice's group, and verify his phone."""
    yesterday = datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(days=1)
    reads = {"settle_date": f"{yesterday:%Y-%m-%d}", "data": {GROUP: "800"}}
    assert scenario.system("POST", "/settlement", reads)["code"] == 1200
    qiang, phone = scenario.people["qiang"], "13700000001"
    assert qiang.call("GET", f"/sms/code/delivery?phone={phone}")["code"] == 1200
    code = re.findall(r"\d{6}", scenario.product.sandbox("sms", phone=phone)["sms"][-1]["content"])[0]
    assert qiang.call("PUT", "/user/phone", {"phone": phone, "code": code})["code"] == 1200


@pytest.fixture(scope="module")
def conversation(scenario: Scenario) -> None:
    """Open a conversation of Alice's with customer service."""
    receive_private_message(scenario, "5")
    alice = scenario.people["alice"]
    wait_for(lambda: [message for message in alice.messages() if "接入客服" in str(message["content"])], 60)


@pytest.mark.parametrize(
    ("system", "call"),
    [
        ("sms", texts),
        ("wechat", oauth),
        ("gateway", nickname),
        ("launch", switch),
        ("pay", payout),
        ("aliyun", message_to_staff),
    ],
    ids=["sms", "wechat", "gateway", "launch", "pay", "aliyun"],
)
@pytest.mark.usefixtures("money", "conversation")
def test_many_calls_to_a_system_that_hangs_delay_no_other_request(
    scenario: Scenario, system: str, call: Callable[[Scenario, int], None]
):
    probes = [status, withdrawal] if system == "gateway" else [status, withdrawal, keyword_reply]
    with scenario.product.fault(system), ThreadPoolExecutor(CROWD) as crowd:
        calls = [crowd.submit(call, scenario, number) for number in range(CROWD)]
        time.sleep(0.5)
        took = {probe.__name__: median_of_probes(probe, scenario) for probe in probes}
        wait(calls)
    assert {name: seconds for name, seconds in took.items() if seconds > SOON} == {}


def sql(scenario: Scenario, statement: str) -> list[tuple[Any, ...]]:
    services = read_services(scenario.product.run_dir)
    assert services is not None
    with psycopg2.connect(services["database_url"]) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


# Mass messages of one group each, all due at one moment.
_CROWD_OF_MASS_MESSAGES = """
WITH owner AS (SELECT id FROM accounts_user WHERE code = 'wx-alice'), numbers AS (SELECT generate_series(1, {count}) AS n),
made AS (
    INSERT INTO launches_massmessage (id, user_id, contents, send_at, day, slot, status, created_at)
    SELECT gen_random_uuid(), owner.id, '[{content}]'::jsonb, now(), DATE '2000-01-01' + n, 1, 0, now() FROM owner, numbers
    RETURNING id, day
), jobs AS (
    INSERT INTO launches_scheduledsending (mass_message_id, status, attempts, next_attempt_at, last_error)
    SELECT id, 0, 0, now(), '' FROM made
)
INSERT INTO launches_massmessagegroup (mass_message_id, group_id, minute, status, reason, message_count)
SELECT made.id, g.id, made.day, 0, '', 0 FROM made, groups_group g WHERE g.code = '{group}'
"""
TEXT = '{"type": 3, "content": "群发", "title": "", "desc": "", "url": ""}'


def test_five_thousand_mass_messages_due_at_once_delay_no_reply(scenario: Scenario):
    sql(scenario, _CROWD_OF_MASS_MESSAGES.format(count=5000, content=TEXT, group="clients-new-group"))
    took = [seconds_of(lambda: keyword_reply(scenario)) for _ in range(5)]
    [[waiting]] = sql(scenario, "SELECT count(*) FROM launches_scheduledsending WHERE finished_at IS NULL")
    sql(
        scenario,
        "UPDATE launches_scheduledsending SET status = 1, finished_at = now(), leased_until = NULL"
        " WHERE finished_at IS NULL",
    )
    assert waiting > 0  # the replies were measured while messages were still due
    assert sorted(took)[2] < 2.0


def signal_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


def test_a_database_that_stops_answering_is_503_and_the_service_recovers(scenario: Scenario):
    alice = scenario.people["alice"]
    servers = pids_of(scenario.product, "postgres")
    began, codes = time.monotonic(), []
    signal_all(servers, signal.SIGSTOP)
    try:
        while time.monotonic() - began < 25:
            headers = {"Authorization": f"Bearer {alice.token}"}
            answer = requests.get(f"{scenario.product.url}/groups?status=1", headers=headers, timeout=20)
            codes.append((answer.status_code, answer.json()["code"], bool(answer.headers.get("Retry-After"))))
    finally:
        signal_all(servers, signal.SIGCONT)
    assert set(codes) == {(503, 1503, True)}
    wait_for(lambda: alice.call("GET", "/groups?status=1")["code"] == 1200, 10)
    keyword_reply(scenario)


def test_a_redis_that_hangs_delays_no_commit(scenario: Scenario):
    servers = pids_of(scenario.product, "valkey-server")
    signal_all(servers, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(16) as crowd:
            took = list(crowd.map(lambda n: seconds_of(lambda: scenario.speaks_in(GROUP, f"在吗 {n}")), range(48)))
    finally:
        signal_all(servers, signal.SIGCONT)
    assert sorted(took)[len(took) // 2] < SOON
    keyword_reply(scenario)


def test_the_whole_product_ends_after_a_burst_of_signals(scenario: Scenario):
    """End the product of this module: the last test."""
    product = scenario.product
    assert product.process is not None
    burst(product.process.pid, signal.SIGINT)
    ends(lambda: not product.ended)
    assert "stopped" in product.output
