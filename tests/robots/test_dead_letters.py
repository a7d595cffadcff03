"""What failed five times: counted, tried again or closed, by an operator's page or a command."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.http import Refused
from robots.models import OutboxMessage, Robot
from robots.outbox import failed, results, writing
from robots.outbox.leases import claim
from robots.tasks import close_for_gone_robots
from tests.factories.people import OperatorFactory, RobotFactory
from tests.robots.test_sending import heard, say
from tests.support.admin_pages import Operator
from tests.support.entry_points import send_due_messages

pytestmark = pytest.mark.django_db
Status = OutboxMessage.Status


@pytest.fixture
def robot(sandbox) -> Robot:
    return RobotFactory(code="sandbox-robot-1")


def parked(robot: Robot, words: str, answer: str = "502 kicked", **how: str) -> OutboxMessage:
    """A message whose fifth try failed a moment ago."""
    message = say(robot, words, **how)
    OutboxMessage.objects.filter(pk=message.pk).update(try_count=4)
    taken = [one for one in claim(at=timezone.now()).messages if one.id == message.pk]
    results.settle([results.Attempt(taken[0], Refused("gateway", answer))], at=timezone.now())
    message.refresh_from_db()
    assert message.status == Status.FAILED
    return message


def run(*words: str) -> str:
    out = StringIO()
    call_command("retry_messages", *words, stdout=out)
    return out.getvalue()


def test_all_parked_messages_are_tried_again(robot, sandbox):
    parked(robot, "a", group="g1")
    parked(robot, "b", group="g2")
    assert run() == "2 messages will be tried again; 0 left.\n"
    send_due_messages()
    assert sorted(heard(sandbox)) == ["a", "b"]


def test_a_dry_run_says_how_many_and_changes_nothing(robot):
    parked(robot, "a")
    assert run("--dry-run") == "1 messages would be tried again.\n"
    assert failed.count() == 1


@pytest.mark.parametrize(
    "chosen",
    [
        ["--group", "g1"],
        ["--cause", "star:7"],
        ["--reason", "kicked"],
        ["--cause", "star:", "--robot", "sandbox-robot-1"],
        ["--until", "2999-01-01 00:00:00", "--group", "g1"],
    ],
    ids=" ".join,
)
def test_filters_choose_what_is_tried_again(robot, chosen: list[str]):
    one = parked(robot, "a", group="g1", cause="star:7")
    parked(robot, "b", answer="503 muted", group="g2", cause="welcome:9")
    assert run(*chosen) == "1 messages will be tried again; 1 left.\n"
    one.refresh_from_db()
    assert (one.status, one.try_count, one.reason) == (Status.WAITING, 0, "")


def test_nothing_parked_since_tomorrow(robot):
    parked(robot, "a")
    assert run("--since", "2999-01-01 00:00:00") == "0 messages will be tried again; 1 left.\n"


def test_a_moment_that_is_none_is_refused():
    with pytest.raises(CommandError, match="no moment"):
        run("--since", "yesterday")


def test_closing_says_who_and_keeps_what_the_gateway_answered(robot, sandbox):
    message = parked(robot, "a")
    assert run("--close", "--by", "小李") == "1 messages closed; 0 left.\n"
    message.refresh_from_db()
    assert (message.status, message.reason) == (Status.CLOSED, "由 小李 关闭")
    assert "502 kicked" in message.attempts.get().answer


@pytest.mark.parametrize(("action", "status"), [("retry", Status.WAITING), ("close", Status.CLOSED)])
def test_an_operator_does_so_on_the_page_after_confirming(robot, action: str, status: int):
    message = parked(robot, "a")
    browser = Client()
    browser.force_login(OperatorFactory())
    words = {"action": action, "_selected_action": [message.pk]}
    page = reverse("admin:robots_outboxmessage_changelist")
    browser.post(page, words)
    assert failed.count() == 1
    browser.post(page, words | {"confirmed": "1"})
    message.refresh_from_db()
    assert message.status == status


def test_they_are_counted_on_the_operators_first_page(robot):
    parked(robot, "a", group="g1")
    parked(robot, "b", group="g2")
    assert "<strong>2</strong><span>发送失败的消息</span>" in Operator("support").page("")


def test_those_of_a_cancelled_group_are_over_with_it(robot):
    message = parked(robot, "a", group="g1")
    assert writing.close_waiting(group_codes=["g1"], reason="群已注销", at=timezone.now()) == 0
    assert run() == "0 messages will be tried again; 0 left.\n"
    message.refresh_from_db()
    assert (message.status, message.reason) == (Status.CLOSED, "群已注销")


def test_those_of_a_removed_robot_are_swept_up(robot):
    parked(robot, "a")
    Robot.objects.update(status=Robot.Status.REMOVED)
    close_for_gone_robots()
    assert failed.count() == 0


def test_what_is_held_back_stays_so_when_it_is_tried_again(robot, sandbox):
    parked(robot, "a", cause="campaign-1")
    writing.pause("campaign-1")
    run()
    assert send_due_messages() == 0
    writing.resume("campaign-1")
    send_due_messages()
    assert heard(sandbox) == ["a"]


def test_what_fails_for_good_while_it_is_held_back_stays_so(robot):
    message = say(robot, "a", cause="campaign-1")
    OutboxMessage.objects.update(try_count=4)
    [taken] = claim(at=timezone.now()).messages
    writing.pause("campaign-1")
    results.settle([results.Attempt(taken, Refused("gateway", "502 kicked"))], at=timezone.now())
    message.refresh_from_db()
    assert (message.status, message.is_held) == (Status.FAILED, True)
