"""Senders are killed, run concurrently, and lose the gateway, Redis, PostgreSQL or the right time; no message is lost or doubled."""

import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.product import wait_for
from tests.support.senders import SenderProcesses, stop

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]
WAITING, SENT = 0, 1


@pytest.fixture(scope="module")
def _world(tmp_path_factory: pytest.TempPathFactory, _sandbox_server: Any) -> Iterator[SenderProcesses]:
    url = f"http://127.0.0.1:{_sandbox_server.server_address[1]}"
    world = SenderProcesses(tmp_path_factory.mktemp("senders"), url)
    yield world
    world.close()


@pytest.fixture
def world(_world: SenderProcesses, sandbox: Any) -> Iterator[SenderProcesses]:
    yield _world
    _world.forget()


def all_sent(world: SenderProcesses, count: int, seconds: float = 20) -> None:
    wait_for(lambda: world.states() == {SENT: count}, seconds, world.states)


def assert_each_once_in_order(sandbox: Any, world: SenderProcesses) -> None:
    """Compare the gateway's messages with the outbox: each message_no once, and in the order of each group."""
    received = defaultdict(list)
    for message in sandbox.state.messages.values():
        received[message["group_id"]].append(message["message_no"])
    written = defaultdict(list)
    for group, number in world.sql("SELECT group_code, message_no FROM robots_outboxmessage ORDER BY id"):
        written[group].append(str(number))
    assert received == written


def make_due(world: SenderProcesses) -> None:
    world.sql("UPDATE robots_outboxmessage SET retry_at = now() WHERE status = 0")


def fault(sandbox: Any, mode: str) -> None:
    with sandbox.state.lock:
        sandbox.state.note("fault", system="gateway", mode=mode, rate=1.0)


def test_a_sender_killed_between_the_answer_and_the_commit(world, sandbox):
    world.run("write", [1, 3])
    with world.transaction() as cursor:
        cursor.execute("LOCK TABLE robots_messageattempt IN EXCLUSIVE MODE")  # no result can be stored
        killed = world.start_sender()
        wait_for(lambda: len(sandbox.state.messages) == 3)
        world.kill(killed)
    assert world.states() == {WAITING: 3}
    world.start_sender()
    all_sent(world, 3)
    assert {message["requests"] for message in sandbox.state.messages.values()} == {2}
    assert_each_once_in_order(sandbox, world)


def test_a_new_message_notifies_a_sender_at_once(world, sandbox):
    """Without the notification the sender would find it a second later at most."""
    world.start_sender()
    waits = []
    for number in range(1, 6):
        world.run("write as product", str(number))
        began = time.monotonic()
        wait_for(lambda until=number: len(sandbox.state.messages) == until)
        waits.append(time.monotonic() - began)
    assert sorted(waits)[2] < 0.5


def test_two_concurrent_senders_submit_each_message_once(world, sandbox):
    for _ in range(2):
        world.start_sender(is_patient=True)
    world.run("write", [5, 60])
    all_sent(world, 300)
    assert {message["requests"] for message in sandbox.state.messages.values()} == {1}
    assert_each_once_in_order(sandbox, world)


def test_a_sender_that_is_stopped_stores_the_results_of_its_calls(world, sandbox):
    world.run("write", [5, 60])
    stopped = world.start_sender()
    wait_for(lambda: len(sandbox.state.messages) > 20)
    world.kill(stopped, signal.SIGTERM)
    assert world.states()[SENT] == len(sandbox.state.messages)
    assert world.sql("SELECT count(*) FROM robots_outboxmessage WHERE lease IS NOT NULL") == [(0,)]


@pytest.mark.parametrize(("mode", "requests"), [("error", 1), ("timeout", 1), ("drop_reply", 2)])
def test_a_gateway_that_fails_is_called_again(world, sandbox, mode: str, requests: int):
    """With status 500 and timeouts the gateway sends nothing; with a dropped response it has sent the message."""
    fault(sandbox, mode)
    world.start_sender()
    world.run("write", [1, 10])
    tried = "SELECT count(*) FROM robots_messageattempt WHERE outcome = 'unknown'"
    wait_for(lambda: world.sql(tried) == [(10,)], 20, world.states)
    sandbox.state.faults.clear()
    make_due(world)
    all_sent(world, 10)
    assert {message["requests"] for message in sandbox.state.messages.values()} == {requests}
    assert_each_once_in_order(sandbox, world)


def test_redis_restarts_and_messages_written_meanwhile_are_sent(world, sandbox):
    world.start_sender()
    world.run("write", [1, 5])
    all_sent(world, 5)
    start_again = stop(world.redis)
    world.run("write", [1, 5])
    time.sleep(1.5)
    assert world.states() == {SENT: 5, WAITING: 5}  # how much the robots sent in this minute is unknown
    start_again()
    all_sent(world, 10)
    assert_each_once_in_order(sandbox, world)


def test_postgresql_restarts_under_senders(world, sandbox):
    for _ in range(2):
        world.start_sender()
    world.run("write", [5, 60])
    wait_for(lambda: len(sandbox.state.messages) > 50)
    start_again = stop(world.postgres)
    time.sleep(1)
    start_again()
    all_sent(world, 300)
    assert_each_once_in_order(sandbox, world)


@pytest.mark.parametrize("seconds", [60, -60])
def test_the_clock_of_one_sender_jumps_a_minute(world, sandbox, seconds: int):
    world.start_sender(is_patient=True)
    world.start_sender(clock_jumps_by=seconds, is_patient=True)
    for _ in range(4):
        world.run("write", [2, 40])
        time.sleep(0.3)
    all_sent(world, 320)
    assert {message["requests"] for message in sandbox.state.messages.values()} == {1}
    assert_each_once_in_order(sandbox, world)


def test_2000_messages_through_20_kills(world, sandbox):
    world.run("write", [5, 400])
    senders = [world.start_sender() for _ in range(2)]
    for number in range(1, 21):
        wait_for(lambda until=number * 90: len(sandbox.state.messages) > until, 20, world.states)
        world.kill(senders.pop(0))
        senders.append(world.start_sender())
    all_sent(world, 2000, 40)
    assert len(sandbox.state.messages) == 2000
    assert_each_once_in_order(sandbox, world)
