"""Messages that failed five times are counted, tried again or closed, in the admin or by a command."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.http import Refused
from robots.models import OutboxMessage, Robot, Source, SourceType
from robots.outbox import failed, results, writing
from robots.outbox.leases import claim_messages
from robots.tasks import close_for_gone_robots
from tests.factories.people import OperatorFactory
from tests.support.admin_pages import Operator
from tests.support.entry_points import send_due_messages
from tests.support.outbox import sent_contents, source_of, write_message

pytestmark = pytest.mark.django_db
Status = OutboxMessage.Status


def failed_message(robot: Robot, content: str, answer: str = "502 kicked", **fields: Any) -> OutboxMessage:
    """Return a message whose fifth attempt has just failed."""
    message = write_message(robot, content, **fields)
    OutboxMessage.objects.filter(pk=message.pk).update(attempts=4)
    [claimed] = [other for other in claim_messages(at=timezone.now()).messages if other.id == message.pk]
    results.finish([results.AttemptResult(claimed, Refused("gateway", answer))], at=timezone.now())
    message.refresh_from_db()
    assert message.status == Status.FAILED
    return message


def run(*args: str) -> str:
    out = StringIO()
    call_command("retry_messages", *args, stdout=out)
    return out.getvalue()


def test_all_failed_messages_are_tried_again(robot, sandbox):
    failed_message(robot, "a", group="g1")
    failed_message(robot, "b", group="g2")
    assert run() == "2 messages will be tried again; 0 left.\n"
    send_due_messages()
    assert sorted(sent_contents(sandbox)) == ["a", "b"]


def test_a_dry_run_counts_and_changes_nothing(robot):
    failed_message(robot, "a")
    assert run("--dry-run") == "1 messages would be tried again.\n"
    assert failed.count_failed() == 1


@pytest.mark.parametrize(
    "chosen",
    [
        ["--group", "g1"],
        ["--source", "star", "7"],
        ["--reason", "kicked"],
        ["--source", "star", "--robot", "sandbox-robot-1"],
        ["--until", "2999-01-01 00:00:00", "--group", "g1"],
    ],
    ids=" ".join,
)
def test_filters_select_the_messages_that_are_tried_again(robot, chosen: list[str]):
    selected = failed_message(robot, "a", group="g1", source=Source(SourceType.STAR, "7"))
    failed_message(robot, "b", answer="503 muted", group="g2", source=Source(SourceType.JOIN_GROUP, "9"))
    assert run(*chosen) == "1 messages will be tried again; 1 left.\n"
    selected.refresh_from_db()
    assert (selected.status, selected.attempts, selected.last_error) == (Status.WAITING, 0, "")


@pytest.mark.parametrize("source", [["welcome"], ["star", "7", "8"], ["star:7"]], ids=" ".join)
def test_an_unknown_source_is_refused(source: list[str]):
    with pytest.raises(CommandError, match="--source takes one of launch, "):
        run("--source", *source)


def test_no_message_failed_since_a_future_time(robot):
    failed_message(robot, "a")
    assert run("--since", "2999-01-01 00:00:00") == "0 messages will be tried again; 1 left.\n"


def test_an_invalid_time_is_refused():
    with pytest.raises(CommandError, match="no moment"):
        run("--since", "yesterday")


def test_a_closed_message_names_the_operator_and_keeps_the_gateways_answer(robot, sandbox):
    message = failed_message(robot, "a")
    assert run("--close", "--by", "小李") == "1 messages closed; 0 left.\n"
    message.refresh_from_db()
    assert (message.status, message.last_error) == (Status.CLOSED, "由 小李 关闭")
    assert "502 kicked" in message.recorded_attempts.get().answer


@pytest.mark.parametrize(("action", "status"), [("retry", Status.WAITING), ("close", Status.CLOSED)])
def test_an_operator_retries_or_closes_in_the_admin_after_confirming(robot, action: str, status: int):
    message = failed_message(robot, "a")
    browser = Client()
    browser.force_login(OperatorFactory())
    form = {"action": action, "_selected_action": [message.pk]}
    page = reverse("admin:robots_outboxmessage_changelist")
    browser.post(page, form)
    assert failed.count_failed() == 1
    browser.post(page, form | {"confirmed": "1"})
    message.refresh_from_db()
    assert message.status == status


def test_failed_messages_are_counted_on_the_dashboard(robot):
    failed_message(robot, "a", group="g1")
    failed_message(robot, "b", group="g2")
    assert "<strong>2</strong><span>发送失败的消息</span>" in Operator("support").page("")


def test_failed_messages_of_a_cancelled_group_are_closed(robot):
    message = failed_message(robot, "a", group="g1")
    assert writing.close_waiting(group_codes=["g1"], reason="群已注销", at=timezone.now()) == 0
    assert run() == "0 messages will be tried again; 0 left.\n"
    message.refresh_from_db()
    assert (message.status, message.last_error) == (Status.CLOSED, "群已注销")


def test_failed_messages_of_a_removed_robot_are_closed(robot):
    failed_message(robot, "a")
    Robot.objects.update(status=Robot.Status.REMOVED)
    close_for_gone_robots()
    assert failed.count_failed() == 0


def test_a_paused_message_stays_paused_when_it_is_tried_again(robot, sandbox):
    failed_message(robot, "a", source=source_of("campaign-1"))
    writing.pause_messages(source_of("campaign-1"))
    run()
    assert send_due_messages() == 0
    writing.resume_messages(source_of("campaign-1"))
    send_due_messages()
    assert sent_contents(sandbox) == ["a"]


def test_a_message_that_fails_while_it_is_paused_stays_paused(robot):
    message = write_message(robot, "a", source=source_of("campaign-1"))
    OutboxMessage.objects.update(attempts=4)
    [claimed] = claim_messages(at=timezone.now()).messages
    writing.pause_messages(source_of("campaign-1"))
    results.finish([results.AttemptResult(claimed, Refused("gateway", "502 kicked"))], at=timezone.now())
    message.refresh_from_db()
    assert (message.status, message.is_held) == (Status.FAILED, True)
