"""What the gateway tells is stored before it is answered, once, and forgotten when it is old."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from config.retention import CHUNK
from integrations import inbox
from integrations.models import GatewayEvent
from integrations.tasks import forget_old_events, handle_events
from tests.doors import gateway_tells, key_with
from tests.factories.people import RobotFactory
from tests.integrations.posting import event, met, post
from tests.together import in_another_thread

pytestmark = pytest.mark.django_db
Status = GatewayEvent.Status


def test_an_event_is_stored_when_it_is_answered():
    assert post(event("e1"))["code"] == 1200
    kept = GatewayEvent.objects.get()
    assert (kept.event_id, kept.command, kept.status, kept.body) == ("e1", "robot_added", Status.WAITING, met("u1"))


def test_the_same_event_is_handled_once():
    RobotFactory(code="r1")
    for _ in range(3):
        post(event("e1"))
        handle_events()
    assert GatewayEvent.objects.get().status == Status.HANDLED
    assert User.objects.count() == 1


def test_the_same_event_twice_in_one_batch_is_one():
    assert post([event("e1"), event("e1")])["code"] == 1200
    assert GatewayEvent.objects.count() == 1


def test_a_thousand_events_come_in_one_call():
    assert post([event(f"e{n}") for n in range(1000)])["code"] == 1200
    assert GatewayEvent.objects.count() == 1000


def test_a_thousand_and_one_are_too_many():
    assert post([event(f"e{n}") for n in range(1001)])["code"] == 1403
    assert GatewayEvent.objects.count() == 0


def test_one_bad_event_refuses_the_batch():
    told = post([event("e1"), {"event_id": "e2", "body": {}}])
    assert told["code"] == 1403
    assert "1.command" in told["description"]
    assert GatewayEvent.objects.count() == 0


def test_an_unknown_command_is_kept_and_marked():
    gateway_tells(("dance", {"x": 1}))
    assert GatewayEvent.objects.get().status == Status.UNKNOWN


def test_what_needs_nothing_is_ignored_with_the_reason():
    gateway_tells(("robot_added", met("u1", robot="nobody")))
    kept = GatewayEvent.objects.get()
    assert (kept.status, kept.note) == (Status.IGNORED, "机器人未知")


def test_characters_that_postgresql_cannot_keep_do_not_break_it():
    RobotFactory(code="r1")
    gateway_tells(("robot_added", {"robot_id": "r1", "user_id": "u1", "nickname": "a\x00b\ud800"}))
    assert User.objects.get().nickname == "a\ufffdb?"


def test_handled_events_are_forgotten_after_30_days():
    RobotFactory(code="r1")
    gateway_tells(("robot_added", met("u1")), ("dance", {}), ("robot_added", met("u2", robot="nobody")))
    GatewayEvent.objects.update(received_at=timezone.now() - timedelta(days=31))
    assert forget_old_events() == 2
    assert GatewayEvent.objects.get().command == "dance"


def test_events_that_operators_may_need_are_forgotten_after_90_days_and_waiting_ones_never():
    gateway_tells(("dance", {}))
    post([event("e1"), event("e2")])
    parked = {"status": Status.PARKED, "settled_at": timezone.now()}
    GatewayEvent.objects.filter(event_id="e1").update(**parked)
    GatewayEvent.objects.update(received_at=timezone.now() - timedelta(days=91))
    assert forget_old_events() == 2
    assert GatewayEvent.objects.get().event_id == "e2"


def test_many_old_events_are_forgotten_chunk_by_chunk(django_assert_num_queries):
    old = timezone.now() - timedelta(days=31)
    done = {
        "command": "dance",
        "body": 1,
        "status": Status.HANDLED,
        "settled_at": old,
        "received_at": old,
        "retry_at": old,
    }
    GatewayEvent.objects.bulk_create(GatewayEvent(event_id=f"e{n}", **done) for n in range(CHUNK + 1))
    with django_assert_num_queries(3):  # a full chunk, the rest, and nothing that nobody handled
        assert forget_old_events() == CHUNK + 1


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_the_same_events_posted_at_once_in_opposite_order_are_stored_once():
    events = [event(event_id) for event_id in ("a", "m", "z")]
    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic():
            inbox.store([event("m")], at=timezone.now())
            posts = [
                in_another_thread(threads, partial(inbox.store, told, at=timezone.now()), waiting=number)
                for number, told in enumerate((events, events[::-1]), 1)
            ]
        assert sum(future.result() for future in posts) == 2
    assert sorted(GatewayEvent.objects.values_list("event_id", flat=True)) == ["a", "m", "z"]


def test_storing_a_batch_takes_a_fixed_number_of_queries(django_assert_num_queries):
    client = key_with("gateway:events")
    client.post("/gateway/events", event("e0"))
    with django_assert_num_queries(4):  # key, savepoint, insert, release
        client.post("/gateway/events", [event(f"e{n}") for n in range(1, 200)])


NUMBERS = [10**400, -(10**30), 2**63, 1.5, 0]


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_beyond_reason_are_kept_as_text(number):
    assert post(event("e1", "dance", {"x": number}))["code"] == 1200
    kept = GatewayEvent.objects.get().body["x"]
    assert kept == number or kept == str(number)


def test_a_bottomless_body_is_kept_down_to_a_depth():
    raw = b'{"event_id": "e1", "command": "dance", "body": ' + b"[" * 400 + b"]" * 400 + b"}"
    client = key_with("gateway:events")
    answer = client.http.post("/gateway/events", raw, content_type="application/json", headers=client.headers)
    assert answer.json()["code"] == 1200
    handle_events()
    assert GatewayEvent.objects.get().status == Status.UNKNOWN


@pytest.mark.parametrize("event_id", ["", " ", "a\x00", "a\ud800", "x" * 129, None, ["x"], {}, True, 7])
def test_a_bad_event_id_refuses_the_batch_and_is_named(event_id):
    told = post([event("e1"), {"event_id": event_id, "command": "dance", "body": {}}])
    assert (told["code"], GatewayEvent.objects.count()) == (1403, 0)
    assert "1.event_id" in told["description"]


def test_an_event_id_is_trimmed():
    assert post([event(" é1 "), event("e2")])["code"] == 1200
    assert sorted(GatewayEvent.objects.values_list("event_id", flat=True)) == ["e2", "é1"]
