"""Senders are killed, run concurrently, and lose the gateway, Redis, PostgreSQL or the right time; no message is lost or doubled."""

import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.outside_system import set_fault
from tests.support.product import wait_for
from tests.support.senders import SenderProcesses
from tests.support.servers import stop

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
WAITING, SENT = 0, 1


@pytest.fixture(scope="module")
def _senders(tmp_path_factory: pytest.TempPathFactory, _sandbox_server: Any) -> Iterator[SenderProcesses]:
    url = f"http://127.0.0.1:{_sandbox_server.server_address[1]}"
    senders = SenderProcesses(tmp_path_factory.mktemp("senders"), url)
    yield senders
    senders.close()


@pytest.fixture
def senders(_senders: SenderProcesses, sandbox: Any) -> Iterator[SenderProcesses]:
    yield _senders
    _senders.forget()


def all_sent(senders: SenderProcesses, count: int, seconds: float = 20) -> None:
    wait_for(lambda: senders.states() == {SENT: count}, seconds, senders.states)


def assert_each_once_in_order(sandbox: Any, senders: SenderProcesses) -> None:
    """Compare the gateway's messages with the outbox: each message_no once, and in the order of each group."""
    received = defaultdict(list)
    for message in sandbox.state.messages.values():
        received[message["group_id"]].append(message["message_no"])
    written = defaultdict(list)
    for group, number in senders.sql("SELECT group_code, message_no FROM robots_outboxmessage ORDER BY id"):
        written[group].append(str(number))
    assert received == written


def make_due(senders: SenderProcesses) -> None:
    senders.sql("UPDATE robots_outboxmessage SET next_attempt_at = now() WHERE status = 0")


def test_a_sender_killed_between_the_answer_and_the_commit(senders, sandbox):
    senders.run("write", [1, 3])
    with senders.transaction() as cursor:
        cursor.execute("LOCK TABLE robots_messageattempt IN EXCLUSIVE MODE")  # no result can be stored
        killed = senders.start_sender()
        wait_for(lambda: len(sandbox.state.messages) == 3)
        senders.kill(killed)
    assert senders.states() == {WAITING: 3}
    senders.start_sender()
    all_sent(senders, 3)
    assert {message["requests"] for message in sandbox.state.messages.values()} == {2}
    assert_each_once_in_order(sandbox, senders)


def test_a_new_message_notifies_a_sender_at_once(senders, sandbox):
    """Without the notification the sender would find it a second later at most."""
    senders.start_sender()
    waits = []
    for number in range(1, 6):
        senders.run("write as product", str(number))
        began = time.monotonic()
        wait_for(lambda until=number: len(sandbox.state.messages) == until)
        waits.append(time.monotonic() - began)
    assert sorted(waits)[2] < 0.5


def test_two_concurrent_senders_submit_each_message_once(senders, sandbox):
    for _ in range(2):
        senders.start_sender(is_patient=True)
    senders.run("write", [5, 60])
    all_sent(senders, 300)
    assert {message["requests"] for message in sandbox.state.messages.values()} == {1}
    assert_each_once_in_order(sandbox, senders)


def test_a_sender_that_is_stopped_stores_the_results_of_its_calls(senders, sandbox):
    senders.run("write", [5, 60])
    stopped = senders.start_sender()
    wait_for(lambda: len(sandbox.state.messages) > 20)
    senders.kill(stopped, signal.SIGTERM)
    assert senders.states()[SENT] == len(sandbox.state.messages)
    assert senders.sql("SELECT count(*) FROM robots_outboxmessage WHERE lease IS NOT NULL") == [(0,)]


@pytest.mark.parametrize(("mode", "has_sent"), [("error", False), ("timeout", False), ("drop_reply", True)])
def test_a_gateway_that_fails_is_called_again(senders, sandbox, mode: str, has_sent: bool):
    """With status 500 and timeouts the gateway sends nothing; with a dropped response it has sent the message."""
    set_fault(sandbox, "gateway", mode)
    senders.start_sender()
    senders.run("write", [1, 10])
    tried = "SELECT count(DISTINCT message_id) FROM robots_messageattempt WHERE outcome = 'unknown'"
    wait_for(lambda: senders.sql(tried) == [(10,)], 20, senders.states)
    sandbox.state.faults.clear()
    make_due(senders)
    all_sent(senders, 10)
    attempts = dict(senders.sql("SELECT message_no::text, attempts FROM robots_outboxmessage"))
    requests = {number: message["requests"] for number, message in sandbox.state.messages.items()}
    assert requests == (attempts if has_sent else dict.fromkeys(attempts, 1))
    assert_each_once_in_order(sandbox, senders)


def test_redis_restarts_and_messages_written_meanwhile_are_sent(senders, sandbox):
    senders.start_sender()
    senders.run("write", [1, 5])
    all_sent(senders, 5)
    start_again = stop(senders.redis)
    senders.run("write", [1, 5])
    time.sleep(1.5)
    assert senders.states() == {SENT: 5, WAITING: 5}  # how much the robots sent in this minute is unknown
    start_again()
    all_sent(senders, 10)
    assert_each_once_in_order(sandbox, senders)


def test_postgresql_restarts_under_senders(senders, sandbox):
    for _ in range(2):
        senders.start_sender()
    senders.run("write", [5, 60])
    wait_for(lambda: len(sandbox.state.messages) > 50)
    start_again = stop(senders.postgres)
    time.sleep(1)
    start_again()
    all_sent(senders, 300)
    assert_each_once_in_order(sandbox, senders)


@pytest.mark.parametrize("seconds", [60, -60])
def test_the_clock_of_one_sender_jumps_a_minute(senders, sandbox, seconds: int):
    senders.start_sender(is_patient=True)
    senders.start_sender(clock_jumps_by=seconds, is_patient=True)
    for _ in range(4):
        senders.run("write", [2, 40])
        time.sleep(0.3)
    all_sent(senders, 320)
    assert {message["requests"] for message in sandbox.state.messages.values()} == {1}
    assert_each_once_in_order(sandbox, senders)


def test_2000_messages_through_20_kills(senders, sandbox):
    senders.run("write", [5, 400])
    running = [senders.start_sender() for _ in range(2)]
    for number in range(1, 21):
        wait_for(lambda until=number * 90: len(sandbox.state.messages) > until, 20, senders.states)
        senders.kill(running.pop(0))
        running.append(senders.start_sender())
    all_sent(senders, 2000, 40)
    assert len(sandbox.state.messages) == 2000
    assert_each_once_in_order(sandbox, senders)
