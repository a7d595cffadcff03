"""Taking a mass message back, before and shortly after it was sent."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from groups.models import Group
from launches.models import MassMessage
from robots.models import OutboxMessage
from robots.outbox import leases, results, writing
from tests.factories.launches import reachable, scheduled
from tests.factories.people import UserFactory
from tests.launches.test_mass_messages import fired, refuse, states
from tests.support.client import ApiClient
from tests.support.entry_points import send_due_messages

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return UserFactory(code="wx-alice")


def waits(group: Group, words: str) -> None:
    """Something else that the robot has to say there."""
    writing.message_group(
        robot=group.robot, group_code=group.code, content=writing.text(words), cause="test", at=timezone.now()
    )


def test_one_just_sent_is_recalled_message_by_message(alice: User, sandbox: Any):
    message = fired(alice, reachable(user=alice), reachable(user=alice))
    send_due_messages()
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1200
    send_due_messages()
    numbers = OutboxMessage.objects.filter(cause=message.cause).values_list("message_no", flat=True)
    assert sorted(sandbox.state.recalled) == sorted(map(str, numbers))
    assert states(message) == [3, 3]


@pytest.mark.parametrize("is_sent", [False, True])
def test_one_that_was_taken_back_leaves_the_lists(alice: User, sandbox: Any, is_sent: bool):
    message = fired(alice, reachable(user=alice)) if is_sent else scheduled(alice, reachable(user=alice))
    send_due_messages()
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1200
    lists = [ApiClient(alice).get("/tasks/messages", direction=direction)["data"] for direction in ("up", "down")]
    assert lists == [[], []]


def test_it_is_recalled_at_once_though_the_group_has_a_queue_and_the_robot_no_place(
    alice: User, sandbox: Any, settings: Any
):
    settings.ROBOT_MESSAGES_PER_MINUTE = 1
    group = reachable(user=alice)
    message = fired(alice, group)
    send_due_messages()
    for words in ("fails", "waits for it"):
        waits(group, words)
    OutboxMessage.objects.waiting().update(retry_at=timezone.now() + timedelta(minutes=20))
    ApiClient(alice).delete(f"/tasks/{message.pk}")
    assert send_due_messages() == 1
    assert sandbox.state.recalled == [str(OutboxMessage.objects.get(cause=message.cause).message_no)]


def test_what_is_in_the_outbox_is_closed_and_never_sent(alice: User, sandbox: Any):
    message = fired(alice, reachable(user=alice))
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1200
    assert send_due_messages() == 0
    assert states(message) == [3]
    assert sandbox.state.messages == {}


def test_after_two_minutes_it_stays(alice: User, sandbox: Any):
    message = fired(alice, reachable(user=alice))
    send_due_messages()
    OutboxMessage.objects.filter(cause=message.cause).update(settled_at=timezone.now() - timedelta(minutes=2))
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1409
    assert states(message) == [1]


def test_recalling_twice_is_a_conflict(alice: User, sandbox: Any):
    message = scheduled(alice, reachable(user=alice))
    ApiClient(alice).delete(f"/tasks/{message.pk}")
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1409


def test_nobody_else_recalls_it(alice: User):
    message = scheduled(alice, reachable(user=alice))
    assert ApiClient(UserFactory()).delete(f"/tasks/{message.pk}")["code"] == 1404
    message.refresh_from_db()
    assert message.status == MassMessage.Status.WAITING


def test_one_that_the_gateway_refuses_to_recall_stands_as_sent(alice: User, sandbox: Any):
    message = fired(alice, reachable(user=alice))
    send_due_messages()
    ApiClient(alice).delete(f"/tasks/{message.pk}")
    refuse(sandbox)
    message.refresh_from_db()
    assert (states(message), message.status) == ([1], MassMessage.Status.SENT)
    assert "撤回失败" in message.groups.get().reason


def test_a_message_that_was_in_a_senders_hands_when_it_was_taken_back_is_recalled(alice: User, sandbox: Any):
    message = fired(alice, reachable(user=alice))
    now = timezone.now()
    [held] = leases.claim(at=now, resting=[], may_say=True, after=0, batch=10).messages
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1200
    results.settle([results.Attempt(held)], at=now)  # the gateway has said it
    send_due_messages()
    assert sandbox.state.recalled == [held.message_no]
    assert states(message) == [3]
