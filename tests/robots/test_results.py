"""The results of attempts are stored, whatever the gateway answers and whichever receiver of a result fails."""

import threading
from collections.abc import Iterator

import pytest
from django.db import OperationalError

from integrations.sandbox.server import Sandbox, SandboxResponse
from integrations.sandbox.state import State
from robots.models import OutboxMessage
from robots.outbox import failed
from robots.outbox.sender import Sender
from robots.signals import FinishedMessage, message_finished
from tests.factories.people import RobotFactory
from tests.support.entry_points import send_due_messages
from tests.support.outbox import make_messages_due, source_of, write_message
from tests.support.outside_system import OutsideSystem, played_by

pytestmark = pytest.mark.django_db
Status = OutboxMessage.Status


def test_a_refusal_of_the_gateway_is_stored(robot, sandbox):
    unknown = RobotFactory(code="nobody")
    message = write_message(unknown, "x")
    send_due_messages()
    assert message.recorded_attempts.get().outcome == "refused"
    assert "301" in message.recorded_attempts.get().answer


@pytest.fixture
def unstorable_gateway(sandbox, settings, tmp_path) -> Iterator[None]:
    """Run a gateway that refuses every call with text that PostgreSQL cannot store."""
    server = Sandbox(
        0,
        State(tmp_path / "journal"),
        [("gateway", lambda _: SandboxResponse({"code": "301", "description": "a\x00b"}))],
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    settings.GATEWAY_BASE_URL = f"http://127.0.0.1:{server.server_address[1]}"
    yield
    server.stop()
    thread.join()


@pytest.mark.usefixtures("unstorable_gateway")
def test_a_refusal_with_unstorable_text_is_stored_like_any_other(robot):
    message = write_message(robot, "x")
    send_due_messages()
    message.refresh_from_db()
    assert (message.status, message.attempts) == (Status.WAITING, 1)
    assert message.recorded_attempts.get().answer == "gateway: 301 a\ufffdb"


@pytest.fixture
def poison() -> Iterator[list[Exception]]:
    """Connect a receiver that fails for messages of one source. Yields its errors, which it raises until none is left."""
    errors: list[Exception] = [ValueError("poison")] * 20

    def receive(messages: list[FinishedMessage], **_: object) -> None:
        if errors and any(message.source_id == "poison" for message in messages):
            raise errors.pop()

    message_finished.connect(receive)
    yield errors
    message_finished.disconnect(receive)


@pytest.mark.usefixtures("poison")
def test_a_receiver_that_fails_for_one_message_does_not_keep_others_from_being_stored(robot, sandbox):
    bad = write_message(robot, "bad", group="g1", source=source_of("poison"))
    good = write_message(robot, "good", group="g2")
    send_due_messages()
    for message in (bad, good):
        message.refresh_from_db()
    assert (good.status, bad.status, len(sandbox.state.messages)) == (Status.SENT, Status.WAITING, 2)


@pytest.mark.usefixtures("poison")
def test_a_message_whose_receiver_fails_is_failed_after_five_attempts(robot, sandbox):
    bad = write_message(robot, "bad", source=source_of("poison"))
    for _ in range(5):
        make_messages_due()
        send_due_messages()
    bad.refresh_from_db()
    assert (bad.status, bad.attempts) == (Status.FAILED, 5)
    assert bad.last_error == "系统未能处理网关的应答：ValueError"
    assert set(bad.recorded_attempts.values_list("outcome", flat=True)) == {"done"}


def test_when_the_receiver_is_repaired_an_operator_has_the_message_tried_again_and_it_is_sent(
    robot, sandbox, poison
):
    bad = write_message(robot, "bad", source=source_of("poison"))
    for _ in range(5):
        make_messages_due()
        send_due_messages()
    poison.clear()
    failed.retry_failed(OutboxMessage.objects.all(), at=bad.created_at)
    send_due_messages()
    bad.refresh_from_db()
    [sent] = sandbox.state.messages.values()
    assert (bad.status, sent["requests"]) == (Status.SENT, 6)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_database_that_fails_once_is_used_again_and_the_error_is_logged(robot, sandbox, poison, caplog):
    poison[:] = [OperationalError("deadlock detected\nDETAIL: row 7")]
    write_message(robot, "x", source=source_of("poison"))
    with Sender() as sender:
        sender.run(OutboxMessage.objects.filter(status=Status.SENT).exists)
    assert "OperationalError: deadlock detected" in caplog.text
    assert "row 7" not in caplog.text


def test_a_busy_gateway_loses_no_message(robot, tmp_path, settings):
    with played_by(OutsideSystem(SandboxResponse({}, 429)), tmp_path, settings) as gateway:
        message = write_message(robot, "x")
        for _ in range(8):
            make_messages_due()
            send_due_messages()
        message.refresh_from_db()
        assert (message.status, message.attempts) == (Status.WAITING, 8)
        gateway.replies = [SandboxResponse({}, 500), SandboxResponse({"code": "100"})]
        make_messages_due()
        send_due_messages()
        message.refresh_from_db()
        assert (message.status, message.attempts) == (
            Status.WAITING,
            9,
        )  # another error is not the last attempt then
        make_messages_due()
        send_due_messages()
    message.refresh_from_db()
    assert message.status == Status.SENT
