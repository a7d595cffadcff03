"""What waits can be held back, let go and closed by what caused it, however much it is."""

import pytest
from django.db import IntegrityError
from django.utils import timezone

from robots.models import OutboxMessage, Robot
from robots.outbox import writing
from robots.signals import message_finished
from tests.factories.people import RobotFactory
from tests.robots.test_sending import broken, heard, make_due, mended, say
from tests.support.entry_points import send_due_messages

pytestmark = pytest.mark.django_db
Status = OutboxMessage.Status


@pytest.fixture
def robot(sandbox) -> Robot:
    return RobotFactory(code="sandbox-robot-1")


@pytest.fixture
def told():
    """The messages that receivers hear of, as (cause, status)."""
    heard_of: list[tuple[str, int]] = []

    def listen(messages: list[OutboxMessage], **_: object) -> None:
        heard_of.extend((message.cause, message.status) for message in messages)

    message_finished.connect(listen)
    yield heard_of
    message_finished.disconnect(listen)


def test_what_is_held_back_is_not_sent_and_holds_up_nothing_else(robot, sandbox):
    say(robot, "advert", cause="campaign-1")
    say(robot, "welcome")
    assert writing.pause("campaign-1") == 1
    send_due_messages()
    assert heard(sandbox) == ["welcome"]


def test_what_is_let_go_is_sent_in_its_old_order(robot, sandbox):
    for number in range(3):
        say(robot, str(number), cause="campaign-1")
    writing.pause("campaign-1")
    assert writing.resume("campaign-1") == 3
    send_due_messages()
    assert heard(sandbox) == ["0", "1", "2"]


def test_holding_twice_and_letting_go_twice_change_nothing_more(robot):
    say(robot, "advert", cause="campaign-1")
    assert [writing.pause("campaign-1") for _ in range(2)] == [1, 0]
    assert [writing.resume("campaign-1") for _ in range(2)] == [1, 0]


def test_a_cause_that_ended_closes_what_waits_held_or_not_and_receivers_are_told(robot, sandbox, told):
    say(robot, "held", cause="campaign-1", group="g1")
    writing.pause("campaign-1")
    say(robot, "waiting", cause="campaign-1", group="g2")
    say(robot, "other", cause="campaign-2", group="g3")
    assert writing.close_waiting(cause="campaign-1", reason="投放已取消", at=timezone.now()) == 2
    assert told == [("campaign-1", Status.CLOSED)] * 2
    send_due_messages()
    assert heard(sandbox) == ["other"]


def test_a_try_that_failed_stays_held_back(robot, sandbox):
    broken(sandbox, "error")
    message = say(robot, "advert", cause="campaign-1")
    send_due_messages()
    mended(sandbox)
    writing.pause("campaign-1")
    make_due()
    assert send_due_messages() == 0
    message.refresh_from_db()
    assert (message.status, message.is_held) == (Status.WAITING, True)


def test_what_was_said_cannot_be_held_back(robot, sandbox):
    message = say(robot, "said", cause="campaign-1")
    send_due_messages()
    assert writing.pause("campaign-1") == 0
    with pytest.raises(IntegrityError, match="only_unsent_messages_are_held"):
        OutboxMessage.objects.filter(pk=message.pk).update(is_held=True)


def test_closing_for_nobody_in_particular_closes_nothing(robot):
    say(robot, "x")
    assert writing.close_waiting(reason="x", at=timezone.now(), group_codes=[]) == 0


def letters(robot: Robot, count: int) -> None:
    now = timezone.now()
    writing.post_all(
        [
            writing.private_message(robot=robot, user_code=f"u{n}", content=writing.text("x"), cause="c", at=now)
            for n in range(count)
        ]
    )


@pytest.mark.parametrize("count", [1, 300])
def test_closing_takes_as_many_queries_for_300_messages_as_for_one(robot, count: int, django_assert_num_queries):
    letters(robot, count)
    with django_assert_num_queries(5):  # savepoint, lock, change, read for receivers, release
        assert writing.close_waiting(cause="c", reason="x", at=timezone.now()) == count


def test_more_than_fits_one_statement_is_changed_whole(robot):
    count = writing.CHUNK + 1
    letters(robot, count)
    assert (writing.pause("c"), writing.resume("c")) == (count, count)
    assert writing.close_waiting(cause="c", reason="x", at=timezone.now()) == count


def test_several_endings_close_each_for_its_own_reason(robot):
    messages = [
        say(robot, "x", group=group, cause=cause) for group, cause in (("g1", "a"), ("g2", "b"), ("g1", "b"))
    ]
    ended = writing.close(
        writing.Ending("甲", group_codes=["g1"]), writing.Ending("乙", causes=["b"]), at=timezone.now()
    )
    for message in messages:
        message.refresh_from_db()
    assert (ended, [message.reason for message in messages]) == (3, ["甲", "乙", "甲"])
