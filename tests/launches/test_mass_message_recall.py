"""Recalling a mass message, before and shortly after it was sent."""

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
from tests.support.client import ApiClient
from tests.support.entry_points import send_due_messages
from tests.support.mass_messages import sent_to_outbox, statuses_of
from tests.support.outbox import refuse_messages, source_of

pytestmark = pytest.mark.django_db


def queue_message(group: Group, text: str) -> None:
    """Queue another message of the robot to the group."""
    writing.message_group(
        robot=group.robot,
        group_code=group.code,
        content=writing.text(text),
        source=source_of("test"),
        at=timezone.now(),
    )


def test_each_message_sent_just_now_is_recalled(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice), reachable(user=alice))
    send_due_messages()
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1200
    send_due_messages()
    numbers = OutboxMessage.objects.of_source(message.source).values_list("message_no", flat=True)
    assert sorted(sandbox.state.recalled) == sorted(map(str, numbers))
    assert statuses_of(message) == [3, 3]


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_recalled_mass_message_leaves_the_lists(alice: User, sandbox: Any, is_sent: bool):
    message = sent_to_outbox(alice, reachable(user=alice)) if is_sent else scheduled(alice, reachable(user=alice))
    send_due_messages()
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1200
    lists = [ApiClient(alice).get("/tasks/messages", direction=direction)["data"] for direction in ("up", "down")]
    assert lists == [[], []]


def test_a_recall_does_not_wait_for_the_groups_queue_or_the_robots_rate(alice: User, sandbox: Any, settings: Any):
    settings.ROBOT_MESSAGES_PER_MINUTE = 1
    group = reachable(user=alice)
    message = sent_to_outbox(alice, group)
    send_due_messages()
    for text in ("fails", "waits for it"):
        queue_message(group, text)
    OutboxMessage.objects.waiting().update(next_attempt_at=timezone.now() + timedelta(minutes=20))
    ApiClient(alice).delete(f"/tasks/{message.pk}")
    assert send_due_messages() == 1
    assert sandbox.state.recalled == [str(OutboxMessage.objects.of_source(message.source).get().message_no)]


def test_a_recall_closes_messages_that_wait_in_the_outbox(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1200
    assert send_due_messages() == 0
    assert statuses_of(message) == [3]
    assert sandbox.state.messages == {}


def test_a_mass_message_cannot_be_recalled_after_two_minutes(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    send_due_messages()
    OutboxMessage.objects.of_source(message.source).update(finished_at=timezone.now() - timedelta(minutes=2))
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1409
    assert statuses_of(message) == [1]


def test_recalling_twice_is_a_conflict(alice: User, sandbox: Any):
    message = scheduled(alice, reachable(user=alice))
    ApiClient(alice).delete(f"/tasks/{message.pk}")
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1409


def test_another_user_cannot_recall_a_mass_message(alice: User):
    message = scheduled(alice, reachable(user=alice))
    assert ApiClient(UserFactory()).delete(f"/tasks/{message.pk}")["code"] == 1404
    message.refresh_from_db()
    assert message.status == MassMessage.Status.WAITING


def test_a_message_whose_recall_the_gateway_refuses_counts_as_sent(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    send_due_messages()
    ApiClient(alice).delete(f"/tasks/{message.pk}")
    refuse_messages(sandbox)
    message.refresh_from_db()
    assert (statuses_of(message), message.status) == ([1], MassMessage.Status.SENT)
    assert "撤回失败" in message.groups.get().reason


def test_a_message_leased_by_a_sender_during_the_recall_is_recalled_afterwards(alice: User, sandbox: Any):
    message = sent_to_outbox(alice, reachable(user=alice))
    now = timezone.now()
    [leased] = leases.claim_messages(at=now, batch=10).messages
    assert ApiClient(alice).delete(f"/tasks/{message.pk}")["code"] == 1200
    results.finish([results.AttemptResult(leased)], at=now)  # the gateway has sent it
    send_due_messages()
    assert sandbox.state.recalled == [leased.message_no]
    assert statuses_of(message) == [3]
