"""What the gateway tells is stored before it is answered, and handled once, in order."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from groups.models import Group
from integrations import inbox
from integrations.models import GatewayEvent
from integrations.tasks import forget_old_events, handle_events
from tests.doors import gateway_tells, key_with
from tests.factories.people import OperatorFactory, RobotFactory, UserFactory

pytestmark = pytest.mark.django_db
Status = GatewayEvent.Status


def met(user: str, robot: str = "r1") -> dict:
    return {"robot_id": robot, "user_id": user, "nickname": user}


def post(events: object) -> dict:
    return key_with("gateway:events").post("/gateway/events", events)


def event(event_id: str, command: str = "robot_added", body: object = None) -> dict:
    return {"event_id": event_id, "command": command, "body": body or met("u1")}


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


def test_a_user_is_met_before_their_group_is_bound():
    """Two lanes: the binding waits for what came before about its user."""
    RobotFactory(code="r1")
    bound = {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "群"}
    gateway_tells(("robot_added", met("u1")), ("bind_group_success", bound))
    assert Group.objects.get().user.code == "u1"


def test_events_of_one_group_are_handled_in_order():
    RobotFactory(code="r1")
    UserFactory(code="u1")
    words = {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "群"}
    gateway_tells(
        ("bind_group_success", words),
        ("group_info", {"id": "g1", "name": "一"}),
        ("group_info", {"id": "g1", "name": "二"}),
        ("robot_kicked", words),
        ("bind_group_success", words | {"name": "三"}),
    )
    assert list(Group.objects.order_by("bound_at", "cancelled_at").values_list("name", "cancel_reason")) == [
        ("二", 3),
        ("三", None),
    ]


def test_an_event_that_fails_is_tried_again_and_holds_its_group_back():
    RobotFactory(code="r1")
    UserFactory(code="u1")
    words = {"robot_id": "r1", "group_id": "g1", "user_id": "u1", "name": "x" * 10}
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE groups_group ADD CONSTRAINT broken CHECK (code <> 'g1') NOT VALID")
    gateway_tells(("bind_group_success", words), ("robot_kicked", words), ("robot_added", met("u2")))
    failed, waiting, elsewhere = GatewayEvent.objects.order_by("id")
    assert (failed.status, failed.try_count) == (Status.WAITING, 1)
    assert (waiting.status, waiting.try_count) == (Status.WAITING, 0)
    assert elsewhere.status == Status.HANDLED


def test_after_five_tries_it_is_parked_for_an_operator():
    RobotFactory(code="r1")
    UserFactory(code="u1")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE groups_group ADD CONSTRAINT broken CHECK (code <> 'g1') NOT VALID")
    gateway_tells(("bind_group_success", {"robot_id": "r1", "group_id": "g1", "user_id": "u1"}))
    for _ in range(4):
        GatewayEvent.objects.update(retry_at=timezone.now())
        handle_events()
    parked = GatewayEvent.objects.get()
    assert (parked.status, parked.try_count) == (Status.PARKED, 5)
    assert "broken" in parked.note


def test_an_operator_has_a_parked_event_handled_again():
    post(event("e1"))
    handle_events()
    kept = GatewayEvent.objects.get()
    assert kept.status == Status.IGNORED
    RobotFactory(code="r1")
    client = Client()
    client.force_login(OperatorFactory())
    body = {"action": "replay", "_selected_action": [str(kept.pk)], "confirmed": "yes"}
    assert "将重新处理 1 条" in client.post("/admin/integrations/gatewayevent/", body, follow=True).text
    handle_events()
    kept.refresh_from_db()
    assert kept.status == Status.HANDLED


def test_handled_events_are_forgotten_after_30_days():
    RobotFactory(code="r1")
    gateway_tells(("robot_added", met("u1")), ("dance", {}))
    GatewayEvent.objects.update(received_at=timezone.now() - timedelta(days=31))
    assert forget_old_events() == 1
    assert GatewayEvent.objects.get().command == "dance"


def test_storing_a_batch_takes_a_fixed_number_of_queries(django_assert_num_queries):
    client = key_with("gateway:events")
    client.post("/gateway/events", event("e0"))
    with django_assert_num_queries(4):  # key, savepoint, insert, release
        client.post("/gateway/events", [event(f"e{n}") for n in range(1, 200)])


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_workers_at_once_handle_each_event_once_and_in_order():
    RobotFactory(code="r1")
    for group in range(6):
        UserFactory(code=f"u{group}")
    events = []
    for turn in range(8):
        for group in range(6):
            words = {"robot_id": "r1", "group_id": f"g{group}", "user_id": f"u{group}", "name": "群"}
            events.append(
                event(
                    f"{turn}-{group}",
                    "bind_group_success" if turn == 0 else "group_info",
                    words | {"id": f"g{group}", "name": str(turn)},
                )
            )
    inbox.store(events, at=timezone.now())

    def work(_: int) -> int:
        try:
            return handle_events()
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(work, range(6))) == 48
    assert set(GatewayEvent.objects.values_list("status", flat=True)) == {Status.HANDLED}
    assert sorted(Group.objects.values_list("code", "name")) == [(f"g{group}", "7") for group in range(6)]
