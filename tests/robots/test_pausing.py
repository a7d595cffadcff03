"""The waiting messages of a source can be paused, resumed and closed, however many there are."""

import pytest
from django.db import IntegrityError
from django.utils import timezone

from robots.models import OutboxMessage, Robot
from robots.outbox import writing
from robots.signals import message_finished
from tests.support.entry_points import send_due_messages
from tests.support.outbox import clear_faults, make_messages_due, sent_contents, source_of, write_message
from tests.support.outside_system import set_fault

pytestmark = pytest.mark.django_db
Status = OutboxMessage.Status


@pytest.fixture
def finished():
    """Connect a receiver of `message_finished`. Yields its messages as (source id, status)."""
    received: list[tuple[str, int]] = []

    def receive(messages: list[OutboxMessage], **_: object) -> None:
        received.extend((message.source_id, message.status) for message in messages)

    message_finished.connect(receive)
    yield received
    message_finished.disconnect(receive)


def test_a_paused_message_is_not_sent_and_delays_no_other(robot, sandbox):
    write_message(robot, "advert", source=source_of("campaign-1"))
    write_message(robot, "welcome")
    assert writing.pause_messages(source_of("campaign-1")) == 1
    send_due_messages()
    assert sent_contents(sandbox) == ["welcome"]


def test_resumed_messages_are_sent_in_their_old_order(robot, sandbox):
    for number in range(3):
        write_message(robot, str(number), source=source_of("campaign-1"))
    writing.pause_messages(source_of("campaign-1"))
    assert writing.resume_messages(source_of("campaign-1")) == 3
    send_due_messages()
    assert sent_contents(sandbox) == ["0", "1", "2"]


def test_pausing_twice_and_resuming_twice_change_nothing_more(robot):
    write_message(robot, "advert", source=source_of("campaign-1"))
    assert [writing.pause_messages(source_of("campaign-1")) for _ in range(2)] == [1, 0]
    assert [writing.resume_messages(source_of("campaign-1")) for _ in range(2)] == [1, 0]


def test_closing_a_source_closes_paused_and_waiting_messages_and_receivers_get_them(robot, sandbox, finished):
    write_message(robot, "held", source=source_of("campaign-1"), group="g1")
    writing.pause_messages(source_of("campaign-1"))
    write_message(robot, "waiting", source=source_of("campaign-1"), group="g2")
    write_message(robot, "other", source=source_of("campaign-2"), group="g3")
    assert writing.close_waiting(source=source_of("campaign-1"), reason="投放已取消", at=timezone.now()) == 2
    assert finished == [("campaign-1", Status.CLOSED)] * 2
    send_due_messages()
    assert sent_contents(sandbox) == ["other"]


def test_a_message_whose_attempt_failed_can_be_paused(robot, sandbox):
    set_fault(sandbox, "gateway")
    message = write_message(robot, "advert", source=source_of("campaign-1"))
    send_due_messages()
    clear_faults(sandbox)
    writing.pause_messages(source_of("campaign-1"))
    make_messages_due()
    assert send_due_messages() == 0
    message.refresh_from_db()
    assert (message.status, message.is_held) == (Status.WAITING, True)


def test_a_sent_message_cannot_be_paused(robot, sandbox):
    message = write_message(robot, "said", source=source_of("campaign-1"))
    send_due_messages()
    assert writing.pause_messages(source_of("campaign-1")) == 0
    with pytest.raises(IntegrityError, match="only_unsent_messages_are_held"):
        OutboxMessage.objects.filter(pk=message.pk).update(is_held=True)


def test_closing_without_groups_closes_nothing(robot):
    write_message(robot, "x")
    assert writing.close_waiting(reason="x", at=timezone.now(), group_codes=[]) == 0


def private_messages(robot: Robot, count: int) -> None:
    now = timezone.now()
    writing.post_all(
        [
            writing.private_message(
                robot=robot, user_code=f"u{n}", content=writing.text("x"), source=source_of("c"), at=now
            )
            for n in range(count)
        ]
    )


@pytest.mark.parametrize("count", [1, 300])
def test_closing_takes_as_many_queries_for_300_messages_as_for_one(robot, count: int, django_assert_num_queries):
    private_messages(robot, count)
    with django_assert_num_queries(5):  # savepoint, lock, change, read for receivers, release
        assert writing.close_waiting(source=source_of("c"), reason="x", at=timezone.now()) == count


def test_more_messages_than_a_chunk_are_all_changed(robot):
    count = writing.CHUNK + 1
    private_messages(robot, count)
    assert (writing.pause_messages(source_of("c")), writing.resume_messages(source_of("c"))) == (count, count)
    assert writing.close_waiting(source=source_of("c"), reason="x", at=timezone.now()) == count


def test_several_closings_close_each_message_for_its_own_reason(robot):
    messages = [
        write_message(robot, "x", group=group, source=source_of(name))
        for group, name in (("g1", "a"), ("g2", "b"), ("g1", "b"))
    ]
    closed = writing.close_messages(
        writing.Closing("甲", group_codes=["g1"]),
        writing.Closing("乙", sources=[source_of("b")]),
        at=timezone.now(),
    )
    for message in messages:
        message.refresh_from_db()
    assert (closed, [message.last_error for message in messages]) == (3, ["甲", "乙", "甲"])
