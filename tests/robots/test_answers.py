"""What is written down of the gateway's answers, whatever they say and whoever cannot bear to hear of them."""

import threading
from collections.abc import Iterator

import pytest
from django.db import OperationalError

from integrations.sandbox.server import Reply, Sandbox
from integrations.sandbox.state import State
from robots.models import OutboxMessage, Robot
from robots.outbox import failed
from robots.outbox.sender import Sender
from robots.signals import FinishedMessage, message_finished
from tests.factories.people import RobotFactory
from tests.robots.test_sending import make_due, say
from tests.support.entry_points import send_due_messages
from tests.support.outside_system import OutsideSystem, played_by

pytestmark = pytest.mark.django_db
Status = OutboxMessage.Status


@pytest.fixture
def robot(sandbox) -> Robot:
    return RobotFactory(code="sandbox-robot-1")


def test_a_refusal_of_the_gateway_is_written_down(robot, sandbox):
    unknown = RobotFactory(code="nobody")
    message = say(unknown, "x")
    send_due_messages()
    assert message.attempts.get().outcome == "refused"
    assert "301" in message.attempts.get().answer


@pytest.fixture
def babbler(sandbox, settings, tmp_path) -> Iterator[None]:
    """A gateway that refuses everything in words that no database keeps."""
    server = Sandbox(
        0, State(tmp_path / "journal"), [("gateway", lambda _: Reply({"code": "301", "description": "a\x00b"}))]
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    settings.GATEWAY_BASE_URL = f"http://127.0.0.1:{server.server_address[1]}"
    yield
    server.stop()
    thread.join()


@pytest.mark.usefixtures("babbler")
def test_a_refusal_in_words_that_no_database_keeps_is_a_try_like_any_other(robot):
    message = say(robot, "x")
    send_due_messages()
    message.refresh_from_db()
    assert (message.status, message.try_count) == (Status.WAITING, 1)
    assert message.attempts.get().answer == "gateway: 301 a\ufffdb"


@pytest.fixture
def poison() -> Iterator[list[Exception]]:
    """A receiver that cannot bear to hear of one cause; what it says each time, until the list is empty."""
    words: list[Exception] = [ValueError("poison")] * 20

    def listen(messages: list[FinishedMessage], **_: object) -> None:
        if words and any(message.cause == "poison" for message in messages):
            raise words.pop()

    message_finished.connect(listen)
    yield words
    message_finished.disconnect(listen)


@pytest.mark.usefixtures("poison")
def test_a_receiver_that_fails_for_one_message_keeps_no_other_from_being_written_down(robot, sandbox):
    bad = say(robot, "bad", group="g1", cause="poison")
    good = say(robot, "good", group="g2")
    send_due_messages()
    for message in (bad, good):
        message.refresh_from_db()
    assert (good.status, bad.status, len(sandbox.state.messages)) == (Status.SENT, Status.WAITING, 2)


@pytest.mark.usefixtures("poison")
def test_what_no_receiver_takes_in_is_parked_after_five_tries(robot, sandbox):
    bad = say(robot, "bad", cause="poison")
    for _ in range(5):
        make_due()
        send_due_messages()
    bad.refresh_from_db()
    assert (bad.status, bad.try_count) == (Status.FAILED, 5)
    assert bad.reason == "系统未能处理网关的应答:ValueError"
    assert set(bad.attempts.values_list("outcome", flat=True)) == {"done"}


def test_when_the_receiver_is_mended_an_operator_has_it_tried_again_and_it_is_sent(robot, sandbox, poison):
    bad = say(robot, "bad", cause="poison")
    for _ in range(5):
        make_due()
        send_due_messages()
    poison.clear()
    failed.retry(OutboxMessage.objects.all(), at=bad.created_at)
    send_due_messages()
    bad.refresh_from_db()
    [told] = sandbox.state.messages.values()
    assert (bad.status, told["requests"]) == (Status.SENT, 6)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_database_that_gives_up_once_is_asked_again_and_the_log_says_why(robot, sandbox, poison, caplog):
    poison[:] = [OperationalError("deadlock detected\nDETAIL: row 7")]
    say(robot, "x", cause="poison")
    with Sender() as sender:
        sender.run(OutboxMessage.objects.filter(status=Status.SENT).exists)
    assert "OperationalError: deadlock detected" in caplog.text
    assert "row 7" not in caplog.text


def test_a_gateway_that_says_later_loses_no_message(robot, tmp_path, settings):
    with played_by(OutsideSystem(Reply({}, 429)), tmp_path, settings) as gateway:
        message = say(robot, "x")
        for _ in range(8):
            make_due()
            send_due_messages()
        message.refresh_from_db()
        assert (message.status, message.try_count) == (Status.WAITING, 8)
        gateway.replies = [Reply({}, 500), Reply({"code": "100"})]
        make_due()
        send_due_messages()
        message.refresh_from_db()
        assert (message.status, message.try_count) == (Status.WAITING, 9)  # one hiccup is no end after that
        make_due()
        send_due_messages()
    message.refresh_from_db()
    assert message.status == Status.SENT
