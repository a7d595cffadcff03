"""Messages are sent in order, within the rate limit, at least once to the gateway and once in the chat."""

from contextlib import closing
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from integrations.gateway.client import RobotGateway
from integrations.http import OutcomeUnknown
from robots.models import MessageAttempt, OutboxMessage, Robot
from robots.outbox import failed, results, writing
from robots.outbox.leases import claim_messages
from robots.tasks import close_for_gone_robots
from tests.factories.people import RobotFactory
from tests.support.entry_points import send_due_messages
from tests.support.outbox import clear_faults, make_messages_due, sent_contents, source_of, write_message
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db
Status = OutboxMessage.Status


def test_a_message_is_sent_to_the_group(robot, sandbox):
    message = writing.message_group(
        robot=robot,
        group_code="g1",
        content=writing.text("你好"),
        mentions=["bob"],
        source=source_of("test"),
        at=timezone.now(),
    )
    assert send_due_messages() == 1
    [sent] = sandbox.state.messages.values()
    assert (sent["robot_id"], sent["group_id"], sent["users"], sent["type"], sent["content"]) == (
        "sandbox-robot-1",
        "g1",
        ["bob"],
        3,
        "你好",
    )
    assert sent["message_no"] == str(message.message_no)
    message.refresh_from_db()
    assert (message.status, message.attempts) == (Status.SENT, 1)


def test_a_link_and_a_picture_keep_their_parts(robot, sandbox):
    content = writing.link(title="标题", url="http://e.com", desc="说明")
    writing.message_user(robot=robot, user_code="u1", content=content, source=source_of("test"), at=timezone.now())
    writing.message_user(
        robot=robot,
        user_code="u2",
        content=writing.image("http://e.com/p.png"),
        source=source_of("test"),
        at=timezone.now(),
    )
    send_due_messages()
    link, picture = sorted(sandbox.state.messages.values(), key=lambda message: message["user_id"])
    assert (link["type"], link["title"], link["url"], link["desc"]) == (6, "标题", "http://e.com", "说明")
    assert (picture["type"], picture["user_id"]) == (8, "u2")
    assert picture["content"] == picture["url"] == "http://e.com/p.png"


def test_messages_of_one_chat_keep_their_order(robot, sandbox):
    for number in range(5):
        write_message(robot, str(number))
    send_due_messages()
    assert sent_contents(sandbox) == ["0", "1", "2", "3", "4"]


def test_a_message_that_fails_delays_its_chat_only(robot, sandbox):
    first = write_message(robot, "first")
    OutboxMessage.objects.filter(pk=first.pk).update(next_attempt_at=timezone.now() + timedelta(minutes=1))
    write_message(robot, "second")
    write_message(robot, "elsewhere", group="g2")
    send_due_messages()
    assert sent_contents(sandbox) == ["elsewhere"]


def test_a_message_for_a_later_hour_delays_no_other(robot, sandbox):
    later = timezone.now() + timedelta(hours=3)
    writing.message_user(
        robot=robot,
        user_code="u1",
        content=writing.text("later"),
        source=source_of("t"),
        at=timezone.now(),
        not_before=later,
    )
    writing.message_user(
        robot=robot, user_code="u1", content=writing.text("now"), source=source_of("t"), at=timezone.now()
    )
    send_due_messages()
    assert sent_contents(sandbox) == ["now"]


def test_a_robot_sends_at_most_20_messages_a_minute(robot, sandbox):
    for number in range(25):
        write_message(robot, str(number), group=f"g{number}")
    assert send_due_messages() == 20
    assert send_due_messages() == 0
    assert OutboxMessage.objects.filter(status=Status.WAITING).count() == 5


def test_the_rate_limit_is_a_setting(robot, sandbox, settings):
    settings.ROBOT_MESSAGES_PER_MINUTE = 3
    for number in range(5):
        write_message(robot, str(number), group=f"g{number}")
    assert send_due_messages() == 3


def test_every_robot_has_its_own_rate_limit(robot, sandbox, settings):
    settings.ROBOT_MESSAGES_PER_MINUTE = 2
    other = RobotFactory(code="sandbox-robot-2")
    for number in range(3):
        write_message(robot, "a", group=f"a{number}")
        write_message(other, "b", group=f"b{number}")
    assert send_due_messages() == 4


def test_a_request_to_bind_does_not_count_towards_the_rate_limit(robot, sandbox, settings):
    settings.ROBOT_MESSAGES_PER_MINUTE = 1
    for number in range(3):
        writing.request_gateway(
            writing.Operation.BIND_GROUP,
            robot=robot,
            group_code=f"g{number}",
            content={"name": ""},
            source=source_of("t"),
            at=timezone.now(),
        )
    assert send_due_messages() == 3


def test_after_five_attempts_a_message_is_failed(robot, sandbox):
    set_fault(sandbox, "gateway")
    message = write_message(robot, "x")
    for _ in range(5):
        make_messages_due()
        send_due_messages()
    message.refresh_from_db()
    assert (message.status, message.attempts) == (Status.FAILED, 5)
    assert message.last_error
    assert MessageAttempt.objects.count() == 5


def test_the_first_retry_is_soon_and_the_attempts_are_spread_over_half_an_hour(robot, sandbox):
    set_fault(sandbox, "gateway")
    message = write_message(robot, "x")
    waits = []
    for _ in range(4):
        make_messages_due()
        send_due_messages()
        message.refresh_from_db()
        waits.append((message.next_attempt_at - timezone.now()).total_seconds())
    assert waits == sorted(waits)
    assert waits[0] <= 3  # its conversation waits
    assert 20 * 60 < sum(waits) < 40 * 60


def test_a_failed_message_is_sent_when_an_operator_retries_it(robot, sandbox):
    set_fault(sandbox, "gateway")
    write_message(robot, "x")
    for _ in range(5):
        make_messages_due()
        send_due_messages()
    clear_faults(sandbox)
    assert failed.retry_failed(OutboxMessage.objects.all(), at=timezone.now()) == 1
    send_due_messages()
    assert sent_contents(sandbox) == ["x"]


def test_a_message_whose_response_was_lost_is_submitted_again_and_sent_once(robot, sandbox):
    set_fault(sandbox, "gateway", "drop_reply")
    message = write_message(robot, "x")
    send_due_messages()
    clear_faults(sandbox)
    make_messages_due()
    send_due_messages()
    message.refresh_from_db()
    [sent] = sandbox.state.messages.values()
    assert (sent["requests"], message.status) == (2, Status.SENT)
    assert list(message.recorded_attempts.values_list("outcome", flat=True)) == ["unknown", "done"]


def test_an_unavailable_gateway_is_tried_again(robot, settings):
    settings.GATEWAY_BASE_URL = "http://127.0.0.1:1"
    message = write_message(robot, "x")
    send_due_messages()
    message.refresh_from_db()
    assert (message.status, message.attempts) == (Status.WAITING, 1)
    assert message.recorded_attempts.get().outcome == "unavailable"


def test_a_message_of_a_killed_sender_is_sent_when_its_lease_ends(robot, sandbox):
    write_message(robot, "x")
    [claimed] = claim_messages(at=timezone.now()).messages
    assert send_due_messages() == 0
    OutboxMessage.objects.filter(pk=claimed.id).update(leased_until=timezone.now() - timedelta(seconds=1))
    assert send_due_messages() == 1
    assert sent_contents(sandbox) == ["x"]


def test_a_sender_whose_lease_ends_before_the_response_submits_again_and_goes_on(robot, sandbox, settings):
    settings.SENDER_LEASE_SECONDS = 0.5
    set_fault(sandbox, "gateway", "slow")
    message = write_message(robot, "x")
    assert send_due_messages() == 2
    message.refresh_from_db()
    [sent] = sandbox.state.messages.values()
    assert (sent["requests"], message.status, message.recorded_attempts.count()) == (2, Status.SENT, 2)


def test_a_slow_sender_that_lost_its_lease_does_not_undo_the_result_of_the_next(robot, sandbox):
    message = write_message(robot, "x")
    [slow] = claim_messages(at=timezone.now()).messages
    OutboxMessage.objects.filter(pk=slow.id).update(leased_until=timezone.now() - timedelta(seconds=1))
    send_due_messages()
    results.finish([results.AttemptResult(slow, OutcomeUnknown("gateway", "timed out"))], at=timezone.now())
    message.refresh_from_db()
    assert (message.status, message.attempts) == (Status.SENT, 1)
    assert list(message.recorded_attempts.values_list("outcome", flat=True)) == ["done", "unknown"]


def test_a_banned_robot_sends_nothing(robot, sandbox):
    write_message(robot, "x")
    Robot.objects.update(status=Robot.Status.BANNED, banned_at=timezone.now())
    assert send_due_messages() == 0


def test_a_message_for_a_banned_robot_is_closed_with_that_reason(robot):
    Robot.objects.update(status=Robot.Status.BANNED, banned_at=timezone.now())
    message = write_message(robot, "x")
    assert close_for_gone_robots() == 1
    message.refresh_from_db()
    assert (message.status, message.last_error) == (Status.CLOSED, "机器人已封号")


def test_a_message_that_the_gateway_executed_is_sent_although_it_was_closed_meanwhile(robot, sandbox):
    message = write_message(robot, "x")
    [claimed] = claim_messages(at=timezone.now()).messages
    writing.close_waiting(group_codes=["g1"], reason="群已注销", at=timezone.now())
    results.finish([results.AttemptResult(claimed)], at=timezone.now())
    message.refresh_from_db()
    assert (message.status, message.last_error) == (Status.SENT, "")


def test_the_same_result_is_stored_once(robot, sandbox):
    message = write_message(robot, "x")
    [claimed] = claim_messages(at=timezone.now()).messages
    for _ in range(2):
        results.finish([results.AttemptResult(claimed)], at=timezone.now())
    message.refresh_from_db()
    assert (message.attempts, message.recorded_attempts.count()) == (1, 1)


def test_without_redis_no_message_is_sent_and_groups_are_still_bound(robot, sandbox, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    message = write_message(robot, "x")
    writing.request_gateway(
        writing.Operation.BIND_GROUP,
        robot=robot,
        group_code="g2",
        content={"name": ""},
        source=source_of("t"),
        at=timezone.now(),
    )
    assert send_due_messages() == 1
    message.refresh_from_db()
    assert (message.status, message.attempts, message.lease) == (Status.WAITING, 0, None)
    assert list(sandbox.state.bound) == ["g2"]


def test_calls_that_hang_delay_no_others(robot, sandbox, settings):
    settings.GATEWAY_TIMEOUT, settings.ROBOT_MESSAGES_PER_MINUTE = 2, 0
    sandbox.state.note("fault", system="gateway", mode="timeout", rate=0.5)
    for number in range(40):
        write_message(robot, str(number), group=f"g{number}")
    assert send_due_messages() == 40
    tried = MessageAttempt.objects.order_by("tried_at")
    assert tried.filter(outcome="done").last().tried_at < tried.filter(outcome="unknown").first().tried_at


@pytest.fixture
def _options(monkeypatch):
    """Restore the options of connections that a command changes for its process."""
    options = connection.settings_dict["OPTIONS"]
    monkeypatch.setitem(options, "options", options["options"])


@pytest.mark.usefixtures("_options")
def test_a_command_sends_once_too(robot, sandbox):
    write_message(robot, "x")
    call_command("send", "--once", stdout=StringIO())
    assert sent_contents(sandbox) == ["x"]


@pytest.mark.usefixtures("_options")
def test_a_sender_does_not_wait_for_the_disk():
    call_command("send", "--once", stdout=StringIO())
    with closing(connection.copy()) as later, later.cursor() as cursor:
        cursor.execute("SELECT setting, source FROM pg_settings WHERE name = 'synchronous_commit'")
        assert cursor.fetchone() == ("off", "client")


def test_a_closed_message_is_never_sent(robot, sandbox):
    message = write_message(robot, "x")
    assert writing.close_waiting(group_codes=["g1"], reason="群已注销", at=timezone.now()) == 1
    assert send_due_messages() == 0
    message.refresh_from_db()
    assert (message.status, message.last_error) == (Status.CLOSED, "群已注销")


def test_an_idempotency_key_is_used_once_for_ever(robot):
    for _ in range(2):
        writing.message_user(
            robot=robot,
            user_code="u",
            content=writing.text("x"),
            source=source_of("t"),
            at=timezone.now(),
            idempotency_key="once",
        )
    assert OutboxMessage.objects.count() == 1


def test_claiming_takes_a_fixed_number_of_queries(robot, sandbox, django_assert_num_queries):
    for number in range(50):
        write_message(robot, "x", group=f"g{number}")
    with django_assert_num_queries(1):
        assert len(claim_messages(at=timezone.now()).messages) == 50


def test_the_list_of_robots_is_read(sandbox):
    robots = RobotGateway.from_settings().robots()
    assert [robot["robot_id"] for robot in robots] == [f"sandbox-robot-{n}" for n in range(1, 6)]
